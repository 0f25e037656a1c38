/** Writes and removes records: looks first, then changes up to 200 in one request, and removes duplicates on the way (F13, F36). */
import { isStunmeshError, type Logger, type StunmeshError } from '@stunmesh/core/api';
import { refusalOf } from './fault.js';
import { formatContent } from './names.js';
import type { TxtRecord, ZoneApi } from './zone-api.js';

/** What one batch request may hold on the free plan. */
export const MOST_CHANGES = 200;
/** Duplicates of one key that a write removes; the next one takes the rest. */
const MOST_DUPLICATES = 50;
/** Extra requests that one write may spend to tell the records that are refused from those that are fine. */
const SPARE_REQUESTS = 20;

/** A key with its new value; undefined removes it. */
export type Wanted = ReadonlyMap<string, string | undefined>;

interface Change {
  readonly key: string;
  /** Undefined: the record goes. */
  readonly value: string | undefined;
  /** The record that is changed; undefined: a new one is made. */
  readonly id: string | undefined;
  readonly deletes: readonly string[];
}

export interface Writer {
  /** The failures. Rejects when nothing at all could be done. One at a time, or two programs become of one. */
  write(wanted: Wanted, signal: AbortSignal): Promise<Map<string, StunmeshError>>;
}

export function createWriter({ api, logger }: { readonly api: ZoneApi; readonly logger: Logger }): Writer {
  let quoted = false;

  /** One request; resolves with why its records were refused, if they were. Throws what concerns everything. */
  async function send(changes: readonly Change[], signal: AbortSignal): Promise<StunmeshError | undefined> {
    const content = (value: string) => formatContent(value, quoted);
    try {
      await api.batch(
        {
          deletes: changes.flatMap((change) => change.deletes),
          patches: changes.flatMap(({ id, value }) =>
            id === undefined || value === undefined ? [] : [{ id, content: content(value) }],
          ),
          posts: changes.flatMap(({ id, key, value }) =>
            id !== undefined || value === undefined ? [] : [{ key, content: content(value) }],
          ),
        },
        signal,
      );
      return undefined;
    } catch (error) {
      if (!isStunmeshError(error) || refusalOf(error) === undefined) throw error;
      if (refusalOf(error) !== 'quotes' || quoted) return error;
      quoted = true;
      logger.warn({}, 'the API insists on quotes around the content of TXT records; older programs cannot read these');
      return send(changes, signal);
    }
  }

  /** Sends and, where the request was refused (so nothing was changed), its halves. Returns the keys that need another look, and why. */
  async function sendApart(
    changes: readonly Change[],
    failures: Map<string, StunmeshError>,
    spare: { requests: number; full?: StunmeshError },
    signal: AbortSignal,
  ): Promise<[string, StunmeshError][]> {
    const { full } = spare;
    const possible = full ? changes.filter(({ id, value }) => id !== undefined || value === undefined) : changes;
    if (full) for (const change of changes) if (!possible.includes(change)) failures.set(change.key, full);
    if (possible.length === 0) return [];
    const refused = await send(possible, signal);
    if (!refused) return [];
    // A refusal with status 200 is none to rely on: nothing may be made again before a look.
    if (refusalOf(refused) === 'gone' || refused.details['status'] === 200)
      return possible.map(({ key }) => [key, refused]);
    spare.requests -= 1;
    if (possible.length === 1 || spare.requests < 0) {
      if (refusalOf(refused) === 'full') spare.full = refused;
      for (const { key } of possible) failures.set(key, refused);
      return [];
    }
    const half = Math.ceil(possible.length / 2);
    const again = await sendApart(possible.slice(0, half), failures, spare, signal);
    return [...again, ...(await sendApart(possible.slice(half), failures, spare, signal))];
  }

  async function attempt(
    wanted: Wanted,
    failures: Map<string, StunmeshError>,
    signal: AbortSignal,
  ): Promise<Map<string, StunmeshError>> {
    const [only] = wanted.size === 1 ? wanted.keys() : [];
    const changes = planChanges(wanted, await api.list(only, signal));
    const spare = { requests: SPARE_REQUESTS };
    const again: [string, StunmeshError][] = [];
    const chunks = chunk(changes);
    for (const [index, some] of chunks.entries()) {
      try {
        again.push(...(await sendApart(some, failures, spare, signal)));
      } catch (error) {
        // What went before is written; the rest shares the fate of this request.
        if (index === 0 || !isStunmeshError(error)) throw error;
        for (const { key } of chunks.slice(index).flat()) failures.set(key, error);
        break;
      }
    }
    return new Map(again);
  }

  return {
    async write(wanted, signal) {
      const failures = new Map<string, StunmeshError>();
      const again = await attempt(wanted, failures, signal);
      if (again.size === 0) return failures;
      // Somebody removed a record between our look and our write: once more, with another look.
      const rest = new Map([...again.keys()].map((key) => [key, wanted.get(key)]));
      for (const [key, error] of await attempt(rest, failures, signal)) failures.set(key, error);
      return failures;
    },
  };
}

/** What has to be done, records that exist first: where a zone is full they can still be changed. */
export function planChanges(wanted: Wanted, present: readonly TxtRecord[]): Change[] {
  const ids = new Map<string, string[]>();
  for (const { key, id } of present) {
    const known = ids.get(key);
    if (known) known.push(id);
    else ids.set(key, [id]);
  }
  const changes = [...wanted].flatMap(([key, value]): Change[] => {
    const [first, ...more] = ids.get(key) ?? [];
    if (value !== undefined) return [{ key, value, id: first, deletes: more.slice(0, MOST_DUPLICATES) }];
    return first === undefined ? [] : [{ key, value, id: undefined, deletes: [first, ...more].slice(0, MOST_CHANGES) }];
  });
  return changes.sort((a, b) => Number(a.id === undefined) - Number(b.id === undefined));
}

/** Requests of at most 200 operations each. */
export function chunk(changes: readonly Change[]): Change[][] {
  const chunks: Change[][] = [];
  let room = 0;
  for (const change of changes) {
    const size = change.deletes.length + (change.value === undefined ? 0 : 1);
    if (size > room) {
      chunks.push([]);
      room = MOST_CHANGES;
    }
    chunks.at(-1)?.push(change);
    room -= size;
  }
  return chunks;
}
