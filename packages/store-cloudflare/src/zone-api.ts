/** The four API calls that the store makes, through the official SDK: within the budget, never repeated by themselves. */

import { type Clock, isStunmeshError, StunmeshError } from '@stunmesh/core/api';
import { BaseRecords, BaseZones, createClient } from '#sdk';
import type { Budget } from './budget.js';
import { Fault, faultError, refusalOf } from './fault.js';
import type { Names } from './names.js';
import type { Transport } from './transport.js';

/** The API takes far larger pages; this one keeps an answer at a few megabytes. */
const PER_PAGE = 5_000;
const MOST_PAGES = 40;
/** Characters of a whole listing: room for 100,000 of the longest records that fit into one string. */
const MOST_LISTED = 32 * 1024 * 1024;
/** One call's own limit; the caller's deadline usually comes first. */
const CALL_MS = 30_000;
/** Who made a record, as the dashboard shows it; the older program writes the same. */
const COMMENT = 'Stunmesh';

/** A TXT record as the API lists it. */
export interface TxtRecord {
  readonly id: string;
  readonly key: string;
  readonly content: string;
  /** ISO 8601; empty where the API does not tell. */
  readonly modifiedOn: string;
}

export interface Changes {
  readonly deletes: readonly string[];
  readonly patches: readonly { readonly id: string; readonly content: string }[];
  readonly posts: readonly { readonly key: string; readonly content: string }[];
}

export interface ZoneApi {
  /** The records of one key, or of all keys below the suffix, in the API's order. */
  list(key: string | undefined, signal: AbortSignal): Promise<readonly TxtRecord[]>;
  /** All changes or, where it rejects with an answer, none; after a rejection without one nobody knows. */
  batch(changes: Changes, signal: AbortSignal): Promise<void>;
}

export interface ZoneApiOptions {
  readonly names: Names;
  readonly baseUrl: string;
  /** Seconds, 1 for the API's own choice; undefined leaves what is there. */
  readonly ttl: number | undefined;
  readonly readToken: () => Promise<string>;
  readonly budget: Budget;
  readonly transport: Transport;
  readonly clock: Clock;
}

type Client = ReturnType<typeof createClient<readonly [typeof BaseRecords, typeof BaseZones]>>;

interface Session {
  readonly token: string;
  readonly client: Client;
}

export function createZoneApi(options: ZoneApiOptions): ZoneApi {
  const { names, baseUrl, ttl, readToken, budget, transport, clock } = options;
  const host = new URL(baseUrl).host;
  let session: Session | undefined;
  let zoneId: string | undefined;

  const connect = (token: string): Client =>
    createClient({
      resources: [BaseRecords, BaseZones],
      apiToken: token,
      // Otherwise the SDK takes these from the environment, where another program's may stand.
      apiKey: null,
      apiEmail: null,
      userServiceKey: null,
      baseURL: baseUrl,
      fetch: transport.fetch,
      // A create or batch must not be repeated before looking what became of the first; and Retry-After has no bound there.
      maxRetries: 0,
      logLevel: 'off',
      timeout: 2 * CALL_MS,
    });

  async function openSession(): Promise<Session> {
    if (session) return session;
    const token = await readToken();
    const opened = { token, client: connect(token) };
    session = opened;
    return opened;
  }

  /** One call, its failure named. */
  async function call<T>(
    doing: string,
    signal: AbortSignal,
    work: (client: Client, o: { signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    const { token, client } = await openSession();
    await budget.take(signal);
    using limit = clock.deadline(CALL_MS, signal);
    try {
      return await work(client, limit);
    } catch (error) {
      signal.throwIfAborted();
      if (limit.signal.aborted) {
        throw new StunmeshError('ERR_STORE_UNAVAILABLE', `${doing}: ${host} gave no answer within ${CALL_MS} ms`);
      }
      throw note(named(error, doing, token));
    }
  }

  function named(error: unknown, doing: string, token: string): StunmeshError {
    if (isStunmeshError(error)) return error;
    const cause = error instanceof Error ? error.cause : undefined;
    const fault = cause instanceof Fault ? cause : undefined;
    // Nothing of a stranger's text is passed on: it may hold the request.
    if (!fault) return new StunmeshError('ERR_STORE_INTERNAL', `${doing}: the SDK failed`);
    return faultError(fault.reason, { doing, host, token });
  }

  /** What an error changes for the calls to come. */
  function note(error: StunmeshError): StunmeshError {
    if (error.code === 'ERR_STORE_DENIED') session = undefined;
    // The zone may have been removed and added again, and has another id then.
    const isLost = error.details['status'] === 404 && refusalOf(error) !== 'gone';
    if (error.code === 'ERR_STORE_DENIED' || isLost) zoneId = undefined;
    if (error.retryAfterMs === undefined) return error;
    const retryAfterMs = budget.pause(error.retryAfterMs);
    return new StunmeshError(error.code, error.message, { retryAfterMs, details: error.details });
  }

  async function findZone(signal: AbortSignal): Promise<string> {
    if (zoneId !== undefined) return zoneId;
    const page = await call(`looking up zone ${names.zone}`, signal, (client, o) =>
      client.zones.list({ name: names.zone }, o),
    );
    const zone = page.result.find(({ name }) => names.isZone(String(name)));
    if (zone?.id === undefined) {
      session = undefined;
      throw new StunmeshError(
        'ERR_STORE_DENIED',
        `zone ${names.zone}: this token sees no such zone; check its name, and that the token has Zone: Read and DNS: Edit for it`,
        { details: { zone: names.zone } },
      );
    }
    zoneId = zone.id;
    return zone.id;
  }

  const tooMuch = (): StunmeshError =>
    new StunmeshError(
      'ERR_STORE_TOO_LARGE',
      `zone ${names.zone} has more than ${MOST_PAGES * PER_PAGE} TXT records, or ${MOST_LISTED} characters of them, below ${names.suffix.slice(1)}; use a subdomain of its own`,
    );

  return {
    async list(key, signal) {
      const zone_id = await findZone(signal);
      const name = key === undefined ? { endswith: names.suffix } : { exact: names.nameOf(key) };
      const found = new Map<string, TxtRecord>();
      let listed = 0;
      for (let page = 1; page <= MOST_PAGES; page += 1) {
        const answer = await call(`listing the records of ${names.zone}`, signal, (client, o) =>
          client.dns.records.list({ zone_id, type: 'TXT', name, page, per_page: PER_PAGE }, o),
        );
        for (const { id, name, content, modified_on } of answer.result as readonly ListedRecord[]) {
          const key = names.keyOf(String(name));
          if (key === undefined || typeof id !== 'string' || typeof content !== 'string') continue;
          listed += id.length + content.length;
          if (listed > MOST_LISTED) throw tooMuch();
          found.set(id, { id, key, content, modifiedOn: typeof modified_on === 'string' ? modified_on : '' });
        }
        if (answer.result.length === 0 || page >= pageCount(answer.result_info)) return [...found.values()];
      }
      throw tooMuch();
    },

    async batch({ deletes, patches, posts }, signal) {
      const zone_id = await findZone(signal);
      const lifetime = ttl === undefined ? {} : { ttl };
      const params = {
        zone_id,
        ...(deletes.length > 0 ? { deletes: deletes.map((id) => ({ id })) } : {}),
        ...(patches.length > 0 ? { patches: patches.map((patch) => ({ ...patch, ...lifetime })) } : {}),
        ...(posts.length > 0
          ? {
              posts: posts.map(({ key, content }) => ({
                type: 'TXT' as const,
                name: names.nameOf(key),
                content,
                comment: COMMENT,
                ttl: ttl ?? 1,
              })),
            }
          : {}),
      };
      // A patch needs nothing but what changes; the SDK's type asks for a whole record.
      const body = params as Parameters<Client['dns']['records']['batch']>[0];
      await call(`writing to ${names.zone}`, signal, (client, o) => client.dns.records.batch(body, o));
    },
  };
}

function pageCount(info: unknown): number {
  const { total_pages, total_count, per_page } = (info ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof total_pages === 'number') return total_pages;
  return typeof total_count === 'number' && typeof per_page === 'number' ? Math.ceil(total_count / per_page) : 1;
}

interface ListedRecord {
  readonly id?: unknown;
  readonly name?: unknown;
  readonly content?: unknown;
  readonly modified_on?: unknown;
}
