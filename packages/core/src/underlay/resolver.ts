/** Names to addresses without getaddrinfo, whose hanging threads would block all file access of the process: numbers, the hosts file, then DNS by c-ares. */
import { promises as dns } from 'node:dns';
import { readFile } from 'node:fs/promises';
import type { Clock, Family } from '../api/index.js';
import { formatAddress, parseAddress } from '../net/index.js';
import { isAbsent, unresolved } from './dns-client.js';
import { namesToTry, readResolvConf } from './resolv-conf.js';

export type Resolver = (host: string, family: Family, signal: AbortSignal) => Promise<readonly string[]>;

export interface ResolverOptions {
  /** Default: /etc/hosts. */
  readonly hostsFile?: string;
  /** Default: /etc/resolv.conf. */
  readonly resolvConf?: string;
  /** Absent: of two ways the slower one decides that a name does not exist. */
  readonly clock?: Clock;
  /** Name servers, "192.0.2.53" or "192.0.2.53:53". Default: those of /etc/resolv.conf. */
  readonly nameServers?: readonly string[];
  /** Asks beside c-ares, and the first answer wins; undefined: no need for it now. It gets names alone, those that the hosts
   * file does not have. */
  ask?(host: string, family: Family, signal: AbortSignal): Promise<readonly string[]> | undefined;
}

/** c-ares doubles it with each try; a lost query must not cost a whole discovery. */
const QUERY_TIMEOUT_MS = 1000;
const QUERY_TRIES = 4;

/** Where one way says that there is no such name, the other has so long to know better. */
const OTHER_WAY_MS = 1_000;

/** What to say of c-ares's errors (dns module documentation, error codes). */
const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'no such name',
  ENODATA: 'the name has no such address',
  ETIMEOUT: 'no name server answers',
  ECONNREFUSED: 'no name server can be reached: look at /etc/resolv.conf',
  ESERVFAIL: 'the name server failed',
  EREFUSED: 'the name server refuses to answer',
  EBADNAME: 'not a host name',
};

/** Addresses of one family in canonical text. Files and name servers are read afresh each time. Errors: ERR_RESOLVE, or the
 * signal's reason; there is no time limit but the signal and c-ares's own, some 15 s. */
export function createResolver(o: ResolverOptions = {}): Resolver {
  return async (host, family, signal) => {
    signal.throwIfAborted();
    const numeric = parseAddress(host);
    if (numeric) {
      if (numeric.length === (family === 4 ? 4 : 16)) return [formatAddress(numeric)];
      throw unresolved(host, family, 'it is an address of the other family');
    }
    const known = hostsAddresses(await readHosts(o.hostsFile ?? '/etc/hosts'), host, family);
    signal.throwIfAborted();
    if (known.length > 0) return known;
    return await queryNames(o, host, family, signal);
  };
}

/** Each name that the host may stand for; one that does not exist leads on to the next, one that exists without such an address does not
 * (resolv.conf(5), and both families have to mean the same host). */
async function queryNames(
  o: ResolverOptions,
  host: string,
  family: Family,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const errors = new Map<string, unknown>();
  const names = namesToTry(host, readResolvConf(o.resolvConf));
  for (const name of names) {
    try {
      return await queryBothWays(o, name, family, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isAbsent(error)) throw error;
      errors.set(name, error);
    }
  }
  // What is said of the name as it was written tells more than what is said of a longer one.
  throw errors.get(withoutDot(host)) ?? errors.get(names[0] ?? '') ?? unresolved(host, family, 'not a host name');
}

/** Either way may be the only one to a name server: past a tunnel, or through it. Errors: those of `ask`, when both failed. */
async function queryBothWays(
  o: ResolverOptions,
  host: string,
  family: Family,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const over = new AbortController();
  const onAbort = (): void => over.abort(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const asked = o.ask?.(host, family, over.signal);
    const plain = query(host, family, over.signal, o.nameServers);
    return await (asked ? eitherOf([asked, plain], o.clock, over.signal) : plain);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', onAbort);
    // The slower one is of no use any more.
    over.abort();
  }
}

/** The first that has addresses. Once one says that there are none, the other has only a while longer: it may hang in a dead tunnel. */
function eitherOf(
  ways: readonly Promise<readonly string[]>[],
  clock: Clock | undefined,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    Promise.any(ways).then(resolve, ({ errors }: AggregateError) =>
      reject(errors.find((error) => !isAbsent(error)) ?? errors[0]),
    );
    const giveUpLater = async (error: unknown): Promise<void> => {
      if (!clock || !isAbsent(error)) return;
      await clock.sleep(OTHER_WAY_MS, signal);
      reject(error);
    };
    for (const way of ways) way.catch(giveUpLater).catch(() => undefined);
  });
}

/** No hosts file is as good as an empty one. */
async function readHosts(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return '';
  }
}

/** hosts(5): an address, then names, "#" begins a comment. */
function hostsAddresses(text: string, host: string, family: Family): readonly string[] {
  const wanted = withoutDot(host);
  const found = text.split('\n').flatMap((line) => {
    const [address = '', ...names] = (line.split('#')[0] ?? '').trim().split(/\s+/);
    if (!names.some((name) => withoutDot(name) === wanted)) return [];
    const bytes = parseAddress(address);
    return bytes && bytes.length === (family === 4 ? 4 : 16) ? [formatAddress(bytes)] : [];
  });
  return [...new Set(found)];
}

function withoutDot(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

async function query(
  host: string,
  family: Family,
  signal: AbortSignal,
  nameServers: readonly string[] | undefined,
): Promise<readonly string[]> {
  // A new one each time, because c-ares reads /etc/resolv.conf only when it starts.
  const resolver = new dns.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  const done = new AbortController();
  signal.addEventListener('abort', () => resolver.cancel(), { once: true, signal: done.signal });
  try {
    if (nameServers) resolver.setServers(nameServers);
    const texts = await (family === 4 ? resolver.resolve4(host) : resolver.resolve6(host));
    return texts.flatMap((text) => parseAddress(text) ?? []).map(formatAddress);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const code = (error as { code?: unknown }).code;
    const reason = (typeof code === 'string' && REASONS[code]) || `DNS says ${String(code)}`;
    throw unresolved(host, family, reason, code === 'ENOTFOUND');
  } finally {
    done.abort();
  }
}
