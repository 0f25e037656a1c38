/** Reads records by plain DNS from the zone's own name servers: needs no token, costs no API call, and meets no resolver's cache. */
import { Resolver } from 'node:dns/promises';
import { type Clock, type ErrorCode, isStunmeshError, type Logger, StunmeshError } from '@stunmesh/core/api';
import type { Reader } from './api-reader.js';
import { resultOf } from './gather.js';
import { isValue, type Names, parseContent } from './names.js';

const QUERY_MS = 2_000;
const TRIES = 2;
/** Questions under way at once. */
const CONCURRENCY = 32;
/** How long found name servers are good for, and how soon they are looked up again when they fail. */
const SERVERS_MS = 60 * 60_000;
const RENEW_MS = 30_000;
const MOST_SERVERS = 6;
/** An answer has room for thousands of names, and each would be asked for. */
const MOST_HOSTS = 8;
/** The name or the type is not there; everything else is a failure (F33). */
const ABSENT = new Set(['ENOTFOUND', 'ENODATA']);

export interface DnsReaderOptions {
  readonly names: Names;
  /** Servers that find the zone's name servers: `ADDRESS` or `ADDRESS:PORT`; undefined: the system's. */
  readonly resolver: readonly string[] | undefined;
  /** Stands in for the zone's name servers. */
  readonly servers: readonly string[] | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

export function createDnsReader(options: DnsReaderOptions): Reader {
  const { names, clock, logger } = options;
  const open = new Set<Resolver>();
  const closed = new AbortController();
  let found: { readonly servers: readonly string[]; readonly at: number } | undefined;
  let turn = 0;

  /** A resolver of its own for each call, so that an abort ends this call's questions only. */
  async function withResolver<T>(
    servers: readonly string[] | undefined,
    signal: AbortSignal,
    work: (resolver: Resolver) => Promise<T>,
  ): Promise<T> {
    const checkOver = () => {
      if (closed.signal.aborted) throw closed.signal.reason;
      signal.throwIfAborted();
    };
    checkOver();
    const resolver = new Resolver({ timeout: QUERY_MS, tries: TRIES });
    if (servers) resolver.setServers(servers);
    const cancel = () => resolver.cancel();
    open.add(resolver);
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const result = await work(resolver);
      // Questions that were cancelled look like failures of the servers.
      checkOver();
      return result;
    } catch (error) {
      checkOver();
      throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
      open.delete(resolver);
    }
  }

  async function findServers(signal: AbortSignal): Promise<readonly string[]> {
    if (options.servers) return options.servers;
    if (found && clock.now() - found.at < SERVERS_MS) return found.servers;
    const servers = await withResolver(options.resolver, signal, async (resolver) => {
      const hosts = await resolver.resolveNs(names.zone).catch((error: unknown) => {
        throw dnsError(error, 'ERR_RESOLVE', `looking up the name servers of ${names.zone}`);
      });
      const addresses = await Promise.all(
        [4, 6].map((family) =>
          Promise.all(
            hosts
              .slice(0, MOST_HOSTS)
              .map((host) => (family === 4 ? resolver.resolve4(host) : resolver.resolve6(host)).catch(() => [])),
          ),
        ),
      );
      // A few of each family: which of them this host can reach nobody knows.
      return addresses.flatMap((family) => family.flat().slice(0, MOST_SERVERS / 2));
    });
    if (servers.length === 0) {
      throw new StunmeshError(
        'ERR_RESOLVE',
        `the name servers of ${names.zone} have no address; check this host's DNS`,
      );
    }
    found = { servers, at: clock.now() };
    logger.debug({ zone: names.zone, servers }, 'name servers found');
    return servers;
  }

  /** The value of one key. Several records are shown in turn: only their content, which nobody reads here, says which is newer. */
  async function query(resolver: Resolver, key: string): Promise<string | undefined> {
    try {
      const texts = (await resolver.resolveTxt(names.nameOf(key))).map((strings) => parseContent(strings.join('')));
      const values = texts.filter(isValue).sort();
      if (values.length > 1) turn += 1;
      return values[turn % values.length] ?? texts[0];
    } catch (error) {
      if (ABSENT.has(String((error as NodeJS.ErrnoException).code))) return undefined;
      throw dnsError(error, 'ERR_STORE_UNAVAILABLE', `asking the name servers of ${names.zone}`);
    }
  }

  async function getMany(keys: readonly string[], signal: AbortSignal) {
    const results = new Map<string, string | StunmeshError>();
    if (keys.length === 0) return results;
    const servers = await findServers(signal);
    let failure: StunmeshError | undefined;
    await withResolver(servers, signal, async (resolver) => {
      const rest = keys[Symbol.iterator]();
      const work = async () => {
        for (const key of rest) {
          // Servers that are silent once are not waited for again by every key.
          const result = failure ?? (await query(resolver, key).catch((error: unknown) => error));
          if (isStunmeshError(result)) failure ??= result;
          if (typeof result === 'string' || isStunmeshError(result)) results.set(key, result);
          else if (result !== undefined) throw result;
        }
      };
      await Promise.all(Array.from({ length: Math.min(CONCURRENCY, keys.length) }, work));
    });
    if (failure && found && clock.now() - found.at >= RENEW_MS) found = undefined;
    return results;
  }

  return {
    getMany,
    get: async (key, signal) => resultOf(await getMany([key], signal), key),
    forget() {},
    [Symbol.dispose]() {
      closed.abort(new StunmeshError('ERR_CLOSED', 'the store is closed'));
      for (const resolver of open) resolver.cancel();
    },
  };
}

function dnsError(error: unknown, code: ErrorCode, doing: string): StunmeshError {
  const { code: reason = 'no reason given' } = error as NodeJS.ErrnoException;
  const hint =
    reason === 'ENOTFOUND' || reason === 'ENODATA'
      ? 'the zone may not be active yet'
      : "check port 53 and this host's DNS";
  return new StunmeshError(code, `${doing}: no answer that is of use (${reason}); ${hint}`, { details: { reason } });
}
