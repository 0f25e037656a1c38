/** Frame sources on all interfaces that are wanted at a time: what appears is opened, what vanishes is closed, what dies is opened again. */
import type { Clock } from '@stunmesh/core/api';
import { doubling } from '@stunmesh/core/capture-kit';
import type { FrameSource } from './frame-source.js';

/** Deaths in a row after which a source waits for news of the network where there is no clock. */
const RESTARTS_WITHOUT_CLOCK = 3;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

export interface CaptureSetOptions {
  /** Names of the interfaces to capture on, as things are now. */
  wanted(): readonly string[];
  /** `lost` is called when the source ends by itself; the signal ends the opening. */
  open(name: string, lost: (reason: Error) => void, signal: AbortSignal): Promise<FrameSource>;
  /** Time for pauses between restarts. */
  readonly clock?: Clock;
}

export interface CaptureSet extends AsyncDisposable {
  /** Opens what is wanted and not open, closes what is not wanted any more; settles when that is done, and never rejects. */
  refresh(): Promise<void>;
  /** As refresh(), and those that wait after a death wait no longer. */
  networkChanged(): Promise<void>;
  /** Those that are open now. */
  sources(): readonly FrameSource[];
  /** Names of the interfaces that are captured on now. */
  names(): readonly string[];
  /** The last failure of each interface that could not be opened and is still wanted. */
  failures(): ReadonlyMap<string, unknown>;
}

interface Entry {
  state: 'opening' | 'open' | 'resting';
  source?: FrameSource;
  /** In a row. */
  deaths: number;
}

export function createCaptureSet(options: CaptureSetOptions): CaptureSet {
  const { clock } = options;
  const entries = new Map<string, Entry>();
  const failures = new Map<string, unknown>();
  const closed = new AbortController();

  const dispose = (source: FrameSource | undefined) => source?.[Symbol.asyncDispose]();

  const forget = (name: string): void => {
    entries.delete(name);
    failures.delete(name);
  };

  const open = async (name: string, entry: Entry): Promise<void> => {
    const mine = () => entries.get(name) === entry && !closed.signal.aborted;
    entry.state = 'opening';
    let ended: Error | undefined;
    try {
      const lost = (reason: Error) => {
        ended = reason;
        if (mine() && entry.state === 'open') died(name, entry);
      };
      const source = await options.open(name, lost, closed.signal);
      if (!mine()) await dispose(source);
      else if (ended) died(name, entry);
      else {
        entry.source = source;
        entry.state = 'open';
        failures.delete(name);
      }
    } catch (error) {
      if (!mine()) return;
      failures.set(name, error);
      died(name, entry);
    }
  };

  /** Most deaths are those of an interface, and the list of those that are wanted tells: the first restart comes at once. */
  const died = (name: string, entry: Entry): void => {
    delete entry.source;
    entry.state = 'resting';
    entry.deaths += 1;
    const again = () => {
      if (closed.signal.aborted || entries.get(name) !== entry || entry.state !== 'resting') return;
      if (options.wanted().includes(name)) void open(name, entry);
      else forget(name);
    };
    if (entry.deaths === 1) queueMicrotask(again);
    else if (clock) {
      clock.sleep(doubling(entry.deaths - 1, FIRST_PAUSE_MS, LONGEST_PAUSE_MS), closed.signal).then(again, () => {});
    } else if (entry.deaths <= RESTARTS_WITHOUT_CLOCK) queueMicrotask(again);
  };

  const update = async (wake: boolean): Promise<void> => {
    if (closed.signal.aborted) return;
    const wanted = new Set(options.wanted());
    const work: Promise<void>[] = [];
    for (const [name, entry] of [...entries]) {
      if (wanted.has(name)) continue;
      forget(name);
      if (entry.source) work.push(Promise.resolve(dispose(entry.source)));
    }
    for (const name of wanted) {
      const entry = entries.get(name) ?? { state: 'resting' as const, deaths: 0 };
      if (!entries.has(name)) entries.set(name, entry);
      else if (entry.state !== 'resting' || !wake) continue;
      else entry.deaths = 0;
      work.push(open(name, entry));
    }
    await Promise.all(work);
  };

  return {
    refresh: () => update(false),
    networkChanged: () => update(true),
    sources: () => [...entries.values()].flatMap(({ state, source }) => (state === 'open' && source ? [source] : [])),
    names: () => [...entries].filter(([, { state }]) => state === 'open').map(([name]) => name),
    failures: () => failures,
    async [Symbol.asyncDispose]() {
      if (closed.signal.aborted) return;
      closed.abort();
      const sources = [...entries.values()].map((entry) => entry.source);
      entries.clear();
      await Promise.all(sources.map(dispose));
    },
  };
}
