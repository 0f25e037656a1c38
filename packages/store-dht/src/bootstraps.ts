/** The nodes by which a network is entered: names and ports of the configuration, resolved now and then. */
import { type Clock, type Endpoint, StunmeshError } from '@stunmesh/core/api';

/** Public ones that answered when this was written (F68). */
export const DEFAULT_BOOTSTRAP: readonly string[] = ['dht.libtorrent.org:25401', 'dht.transmissionbt.com:6881'];

const FRESH_MS = 3_600_000;
const RETRY_MS = 30_000;
const MOST_OF_ONE_NAME = 2;

export interface Bootstraps {
  /** Their addresses as far as names are known now; empty when none is. Errors: the signal's reason. */
  endpoints(signal: AbortSignal): Promise<readonly Endpoint[]>;
  /** Why names could not be resolved, when none could. */
  readonly failure: string | undefined;
}

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** Errors: ERR_CONFIG_INVALID. */
export function parseBootstrap(text: string): HostAndPort {
  const match = /^(?<host>[A-Za-z0-9._-]+):(?<port>\d{1,5})$/.exec(text)?.groups;
  const port = Number(match?.['port']);
  if (!match?.['host'] || port < 1 || port > 65_535)
    throw new StunmeshError(
      'ERR_CONFIG_INVALID',
      `bootstrap "${text}" is no host and port; write it as "dht.example.org:6881"`,
    );
  return { host: match['host'], port };
}

export function createBootstraps(
  nodes: readonly HostAndPort[],
  options: { readonly clock: Clock; resolve(name: string, signal: AbortSignal): Promise<readonly string[]> },
): Bootstraps {
  const { clock } = options;
  let known: readonly Endpoint[] = [];
  let askedAt: number | undefined;
  let asking: Promise<void> | undefined;
  let failure: string | undefined;

  const resolveOne = async ({ host, port }: HostAndPort, signal: AbortSignal): Promise<Endpoint[]> => {
    const addresses = /^[\d.]+$/.test(host) ? [host] : await options.resolve(host, signal);
    const family4 = addresses.filter((address) => !address.includes(':')).slice(0, MOST_OF_ONE_NAME);
    return family4.map((address) => ({ family: 4, address, port }));
  };

  const askAll = async (signal: AbortSignal): Promise<void> => {
    const results = await Promise.allSettled(nodes.map((node) => resolveOne(node, signal)));
    if (signal.aborted) askedAt = undefined;
    const found = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    const failed = results.find((result) => result.status === 'rejected');
    failure = found.length === 0 && failed ? String((failed.reason as Error).message) : undefined;
    if (found.length > 0) known = found;
  };

  return {
    get failure() {
      return failure;
    },
    async endpoints(signal) {
      const age = askedAt === undefined ? Number.POSITIVE_INFINITY : clock.now() - askedAt;
      if (age >= (known.length > 0 ? FRESH_MS : RETRY_MS)) {
        askedAt = clock.now();
        asking = askAll(signal).finally(() => {
          asking = undefined;
        });
      }
      // Calls that come meanwhile wait for the same answer; one that was given up leaves the others what is known.
      await asking?.catch(() => {});
      signal.throwIfAborted();
      return known;
    },
  };
}
