/** For programs that use an addon and end in various ways: what they hold, before and after. */
import { readdirSync, readlinkSync } from 'node:fs';

export interface Resources {
  readonly rssBytes: number;
  /** What each open descriptor is, without numbers and sorted. */
  readonly descriptors: readonly string[];
  readonly threads: number;
}

/** What this process holds now (Linux). */
export function resources(): Resources {
  return {
    rssBytes: process.memoryUsage.rss(),
    descriptors: descriptors(),
    threads: readdirSync('/proc/self/task').length,
  };
}

function descriptors(): readonly string[] {
  return readdirSync('/proc/self/fd')
    .flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`).replace(/[0-9]+/g, '')];
      } catch {
        // The one that read the folder.
        return [];
      }
    })
    .sort();
}

/** Runs the garbage collector, where node has --expose-gc, and what it has to call. */
export async function collect(): Promise<void> {
  for (let i = 0; i < 3; i += 1) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What this process holds before and after that many rounds, once as many others at most have warmed it up. */
export async function measureRounds(
  count: number,
  warmUp: number,
  one: (round: number) => Promise<void>,
): Promise<{ readonly before: Resources; readonly after: Resources }> {
  for (let round = 0; round < Math.min(warmUp, count); round += 1) await one(round);
  await collect();
  const before = resources();
  for (let round = 0; round < count; round += 1) await one(round);
  await collect();
  // A thread that was joined stays in /proc for a moment.
  for (let i = 0; i < 1000 && resources().threads > before.threads; i += 1) await collect();
  return { before, after: resources() };
}

export function createGate(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
}
