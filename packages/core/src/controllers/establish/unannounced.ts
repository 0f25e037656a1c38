/** Peers whose records changed without a word of a watch that lives: their writers tell nobody, as a program may that writes to Redis by itself. */
import type { Clock } from '../../api/index.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { startTurn } from '../../runtime/slices.js';

export interface Unannounced {
  readonly size: number;
  has(peer: PeerEntry): boolean;
  /** The watch told of this peer's record: it is one of those that do. True: it was not. */
  heard(peer: PeerEntry): boolean;
  /** A reading found another record than the one before, which began at `since`. */
  readonly found: (peer: PeerEntry, since: number) => void;
  /** Judges those whose news had time enough to come. */
  tick(): void;
  /** When a tick is needed, monotonic milliseconds. */
  readonly dueAt: number;
}

export function createUnannounced(options: {
  readonly clock: Pick<Clock, 'now'>;
  /** News may come so long after a reading that was faster. */
  readonly graceMs: number;
  /** The watch has lived without a gap. */
  wasToldSince(at: number): boolean;
  news(peer: PeerEntry, first: boolean): void;
}): Unannounced {
  const { clock } = options;
  const silent = new Set<PeerEntry>();
  const heardAt = new WeakMap<PeerEntry, number>();
  const suspected = new Map<PeerEntry, { readonly since: number; readonly at: number }>();
  let told = false;

  return {
    get size() {
      return silent.size;
    },
    has: (peer) => silent.has(peer),
    heard(peer) {
      heardAt.set(peer, clock.now());
      return silent.delete(peer);
    },
    found(peer, since) {
      if (!silent.has(peer) && options.wasToldSince(since)) suspected.set(peer, { since, at: clock.now() });
    },
    tick() {
      const isSpent = startTurn(clock);
      for (const [peer, { since, at }] of suspected) {
        // They were found one after the other.
        if (clock.now() - at < options.graceMs) break;
        suspected.delete(peer);
        if ((heardAt.get(peer) ?? Number.NEGATIVE_INFINITY) >= since || !options.wasToldSince(since)) continue;
        silent.add(peer);
        options.news(peer, !told);
        told = true;
        // Each is a walk over all peers; the others wait for the next tick.
        if (isSpent()) break;
      }
    },
    get dueAt() {
      for (const { at } of suspected.values()) return at + options.graceMs;
      return Number.POSITIVE_INFINITY;
    },
  };
}
