/** How soon a peer that comes is found, for snapshots and for `status`, which says it where that is not at once. */
import type { DeviceEntry } from '../peers/peer-table.js';
import type { WatchView } from '../peers/watch-view.js';
import { count, formatAge } from '../runtime/terminal-text.js';

/** A peer that is found within so many milliseconds is found soon enough to need no words. */
const SOON_MS = 5_000;

/** How records of one device's peers are found in a store. */
export interface DeviceStoreSnapshot {
  readonly name: string;
  /** Whether it tells of changes; absent: it cannot. */
  readonly watch?: WatchView;
  /** How often each peer that is looked for is read at most, in milliseconds; absent: none is, but at a refresh. */
  readonly everyMs?: number;
}

export function deviceStores({
  watches,
  readGaps,
}: Pick<DeviceEntry, 'watches' | 'readGaps'>): readonly DeviceStoreSnapshot[] {
  return [...new Set([...watches.keys(), ...readGaps.keys()])].map((name) => {
    const [watch, everyMs] = [watches.get(name), readGaps.get(name)];
    return {
      name,
      ...(watch ? { watch } : {}),
      ...(everyMs === undefined ? {} : { everyMs: Math.round(everyMs) }),
    };
  });
}

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
