/** Pings through the tunnel: when the first is answered, and how many of a burst are. */
import { LabProcess, run } from './processes.js';

export interface FirstPingOptions {
  /** Milliseconds after which it gives up; default 10 s. */
  readonly deadlineMs?: number;
  /** The moment to count from, by performance.now(); default: now. */
  readonly startedAt?: number;
}

/** Milliseconds from the start moment to the first answered ping (one each 0.2 s, answered within 0.2 s); undefined: none in time. */
export async function firstPing(
  namespace: string,
  address: string,
  options: FirstPingOptions = {},
): Promise<number | undefined> {
  const startedAt = options.startedAt ?? performance.now();
  const deadlineMs = options.deadlineMs ?? 10_000;
  const giveUpAt = startedAt + deadlineMs;
  for (;;) {
    const left = giveUpAt - performance.now();
    if (left <= 0) return undefined;
    const answeredAt = await onePing(namespace, address, left);
    if (answeredAt !== undefined) return Math.round(answeredAt - startedAt);
  }
}

/** One ping process until its first answer in time; a new one where it ends early (no route yet). */
async function onePing(namespace: string, address: string, limitMs: number): Promise<number | undefined> {
  // Not flood: 0.2 s apart; -W bounds only the last one, so late answers are told by their time.
  await using ping = new LabProcess(namespace, ['ping', '-n', '-i', '0.2', '-W', '0.2', address]);
  const answered = new Promise<number | undefined>((resolve) => {
    const timer = setTimeout(() => resolve(undefined), limitMs);
    ping.onLine((line) => {
      const time = /time[=<]([\d.]+) ms/.exec(line)?.[1];
      if (time === undefined || Number(time) > 200) return;
      clearTimeout(timer);
      resolve(performance.now());
    });
    ping.exited.then(() => {
      clearTimeout(timer);
      setTimeout(() => resolve(undefined), 50);
    });
  });
  return await answered;
}

export interface PingBurst {
  readonly sent: number;
  readonly received: number;
}

/** `count` pings `intervalSeconds` apart. */
export async function pingBurst(
  namespace: string,
  address: string,
  count: number,
  intervalSeconds: number,
): Promise<PingBurst> {
  const argv = ['ping', '-n', '-q', '-c', String(count), '-i', String(intervalSeconds), '-W', '0.5', address];
  const { stdout, stderr } = await run(namespace, argv, { timeoutMs: count * intervalSeconds * 1000 + 20_000 });
  const numbers = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
  if (numbers === null) throw new Error(`ping ${address} in ${namespace}: ${stderr.trim() || stdout.trim()}`);
  return { sent: Number(numbers[1]), received: Number(numbers[2]) };
}
