/** What `status` says of how soon a peer that comes is found, where that is not at once. */
import type { WatchView } from '../peers/watch-view.js';
import { count, formatAge } from '../runtime/terminal-text.js';
import type { DeviceStoreSnapshot } from './snapshot.js';

/** A peer that is found within so many milliseconds is found soon enough to need no words. */
const SOON_MS = 5_000;

/** For somebody who waits for a peer. */
export function storeReadingLines(stores: readonly DeviceStoreSnapshot[] = [], wallNow: number): readonly string[] {
  return stores.flatMap(({ name, watch, everyMs = 0 }) => {
    const why = watch && inWords(watch, wallNow);
    const pace = everyMs > SOON_MS ? `each peer that is looked for is read every ${formatAge(everyMs)}` : undefined;
    const words = [...(why === undefined ? [] : [why]), ...(pace === undefined ? [] : [pace])].join('; ');
    const mark = watch?.state === 'silent' || watch?.state === 'failed' ? '! ' : '';
    return words === '' ? [] : [`${mark}store "${name}": ${words}`];
  });
}

/** Undefined: changes are told, or will be in a moment. */
function inWords({ state, since, why, unannounced }: WatchView, wallNow: number): string | undefined {
  const age = formatAge(wallNow - since);
  if (state === 'silent') return `its watch has been silent for ${age}, so records are polled`;
  if (state === 'failed') return `it has not been watched for ${age}, so records are polled${why ? `: ${why}` : ''}`;
  if (state === 'incomplete') return `it tells of some changes only, so records are polled: ${why}`;
  return unannounced > 0 ? `records of ${count(unannounced, 'peer')} change without notice, and are polled` : undefined;
}
