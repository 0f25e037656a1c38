/** When a daemon has done the work of its start: every device has read and published once. */
import type { Clock } from '../api/index.js';
import type { ControlEvent } from '../control/snapshot.js';

/** A device that is not there does no such work. */
const AT_MOST_MS = 30_000;
/** The first tunnels are being set up just then. */
const PAUSE_MS = 2_000;

export interface Started {
  readonly devices: readonly { readonly name: string }[];
  subscribe(listener: (event: ControlEvent) => void): () => void;
}

/** Resolves a moment after the first refresh of all devices has ended, at the latest after half a minute. */
export async function afterStart({ devices, subscribe }: Started, clock: Clock): Promise<void> {
  const waiting = new Set(devices.map(({ name }) => name));
  using limit = clock.deadline(AT_MOST_MS);
  await new Promise<void>((resolve) => {
    const unsubscribe = subscribe(({ event, device }) => {
      if (event === 'refreshed') waiting.delete(device);
      if (waiting.size === 0) done();
    });
    const done = (): void => {
      unsubscribe();
      resolve();
    };
    limit.signal.addEventListener('abort', done, { once: true });
  });
  await clock.sleep(PAUSE_MS);
}
