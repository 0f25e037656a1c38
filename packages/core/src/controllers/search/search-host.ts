/** The searches of one host: whoever holds its lock keeps the ledger, and searches for all devices, for one pair at a time (F60). */
import { type Clock, hasCode, type Logger } from '../../api/index.js';
import { parseLedger } from '../../paths/ledger-state.js';
import { HardNatSearch, type SearchPair, type SearchProgress } from '../../paths/search.js';
import { MOST_IN_ENTRY_TIME, SearchLedger } from '../../paths/search-ledger.js';
import type { SearchSend } from '../../paths/search-series.js';

/** How often pairs are looked at while none is due; and how often a lock that another daemon holds, or a disk that is full, is tried again. */
const LOOK_MS = 10_000;
const AGAIN_MS = 60_000;
/** While a series runs its pairs are looked at so often, and whenever something changes. */
const PAIRS_MS = 1_000;
/** Another series may begin when this is five minutes old. */
const SPENT = { version: 1, probes: [], pairs: {}, reserved: MOST_IN_ENTRY_TIME } as const;
const UNREADABLE = 'unreadable';
/** Without a pair nothing is looked at until something changes. */
const ASLEEP_MS = 3_600_000;

export interface SearchHostParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
  random(count: number): number;
  isFree(port: number): boolean;
  /** Errors: ERR_LOCKED (another daemon of this host searches), ERR_RUN_DIR. */
  lock(): Promise<AsyncDisposable>;
  /** Errors: ERR_STATE. */
  readLedger(): Promise<unknown>;
  writeLedger(state: unknown): Promise<void>;
}

/** What a device does for its searches. Names of pairs are unique in the host. */
export interface SearchDevice {
  /** Pairs that may be searched for now (F62). */
  pairs(): readonly SearchPair[];
  createId(pair: string): Uint8Array;
  send(send: SearchSend): void;
  /** A series begins (its ports are heard, and kept from saying that they are closed) or is over. Never rejects. */
  follow(progress: SearchProgress | undefined): Promise<void>;
}

export interface SearchHost {
  /** Takes the device in until disposed. */
  register(device: SearchDevice): Disposable;
  /** Something changed for a pair: a record, a phase, a switch. */
  changed(): void;
  /** Absent before the first pair: nothing is read, locked or kept for hosts without hard pairs. */
  readonly search: HardNatSearch | undefined;
  /** Another daemon of this host holds the lock. */
  readonly isElsewhere: boolean;
  stop(): Promise<void>;
}

export function createSearchHost(parts: SearchHostParts): SearchHost {
  const { clock, logger, signal } = parts;
  const devices = new Set<SearchDevice>();
  let search: HardNatSearch | undefined;
  let ledger: SearchLedger | undefined;
  let lock: AsyncDisposable | undefined;
  let isElsewhere = false;
  let owners: ReadonlyMap<string, SearchDevice> = new Map();
  /** The series that runs, and whose it is. */
  let running: { readonly pair: string; readonly device: SearchDevice } | undefined;
  let loop: Promise<void> | undefined;
  let wake = new AbortController();

  let pairs: readonly SearchPair[] = [];
  let lookAt = 0;
  const lookAtPairs = (): void => {
    if (clock.now() < lookAt) return;
    lookAt = clock.now() + PAIRS_MS;
    const all = [...devices].flatMap((device) => device.pairs().map((pair) => ({ pair, device })));
    owners = new Map(all.map(({ pair, device }) => [pair.name, device]));
    pairs = all.map(({ pair }) => pair);
  };
  const ownerOf = (pair: string): SearchDevice | undefined =>
    owners.get(pair) ?? (running?.pair === pair ? running.device : undefined);

  /** False: not now. */
  const open = async (): Promise<boolean> => {
    if (search) return true;
    try {
      lock = await parts.lock();
    } catch (error) {
      if (!hasCode(error, 'ERR_LOCKED')) logger.warn({ error }, 'hard NATs are not searched');
      else if (!isElsewhere) logger.info({}, 'another stunmesh of this host searches for hard NATs; its budget is one');
      isElsewhere = hasCode(error, 'ERR_LOCKED');
      return false;
    }
    isElsewhere = false;
    const state = await parts.readLedger().catch((error) => {
      logger.warn({ error }, 'the ledger of searches cannot be read: it counts as one that has just been used up');
      return UNREADABLE;
    });
    // One that was there may have been full.
    const known = state === undefined ? undefined : (parseLedger(state) ?? SPENT);
    ledger = new SearchLedger(clock.wallNow() / 1_000, known);
    search = new HardNatSearch({
      ledger,
      random: parts.random,
      isFree: parts.isFree,
      createId: (pair) => ownerOf(pair)?.createId(pair) ?? new Uint8Array(12),
    });
    return true;
  };

  const follow = async (progress: SearchProgress | undefined): Promise<void> => {
    const device = progress && ownerOf(progress.pair);
    if (running && running.device !== device) await running.device.follow(undefined);
    running = progress && device ? { pair: progress.pair, device } : undefined;
    await device?.follow(progress);
  };

  /** How long to wait for the next one. */
  const step = async (): Promise<number> => {
    lookAtPairs();
    if (pairs.length === 0 && !search?.running) return ASLEEP_MS;
    if (!(await open()) || !search) return AGAIN_MS;
    search.update(pairs);
    const wall = clock.wallNow();
    const next = search.next(wall);
    // The ledger is on disk before the first packet: what no restart would remember is not sent (F60).
    if (next.save && !(await save())) {
      search.update([]);
      await follow(undefined);
      return AGAIN_MS;
    }
    if (next.save) await follow(next.running);
    for (const send of next.sends) ownerOf(send.pair)?.send(send);
    return Math.max(1, Math.min(LOOK_MS, next.wakeAt - wall));
  };

  const save = async (): Promise<boolean> => {
    try {
      await parts.writeLedger(ledger?.toState(clock.wallNow() / 1_000));
      return true;
    } catch (error) {
      logger.warn({ error }, 'the ledger of searches cannot be written: hard NATs are not searched');
      return false;
    }
  };

  signal.addEventListener('abort', () => wake.abort(), { once: true });

  const run = async (): Promise<void> => {
    while (!signal.aborted && devices.size > 0) {
      wake = new AbortController();
      const pause = await step();
      await clock.sleep(pause, wake.signal).catch(() => undefined);
    }
    await follow(undefined);
  };

  return {
    register(device) {
      devices.add(device);
      loop ??= run().finally(() => {
        loop = undefined;
      });
      return { [Symbol.dispose]: () => void devices.delete(device) };
    },
    changed() {
      lookAt = 0;
      wake.abort();
    },
    get search() {
      return search;
    },
    get isElsewhere() {
      return isElsewhere;
    },
    async stop() {
      wake.abort();
      await loop;
      if (ledger) await save();
      await lock?.[Symbol.asyncDispose]();
    },
  };
}
