/** Asks sentinels which server is the master (Redis documentation, "Sentinel client spec"). */
import { raceAbort, StunmeshError } from '@stunmesh/core/api';
import { type ClientOptions, openServer } from './client.js';
import { redisError } from './redis-error.js';
import { formatAddress, type HostPort } from './redis-url.js';
import type { Target } from './settings.js';

/** A sentinel answers at once or is not there; the next one is asked after this time, in milliseconds. */
const SENTINEL_MS = 1_000;

/** The master that the first sentinel that knows one names. Errors: ERR_STORE_UNAVAILABLE, or what the last sentinel refused. */
export async function findMaster(
  options: ClientOptions,
  { name, nodes, credentials }: Extract<Target, { kind: 'sentinel' }>,
  signal: AbortSignal,
): Promise<HostPort> {
  let failure: StunmeshError | undefined;
  for (const node of nodes) {
    const place = `sentinel ${formatAddress(node)}`;
    using limit = options.clock.deadline(SENTINEL_MS, signal);
    try {
      const { client, close } = await openServer(options, node, credentials, 0, limit.signal);
      try {
        const answer = await raceAbort(client.call('SENTINEL', 'get-master-addr-by-name', name), limit.signal);
        if (Array.isArray(answer)) return { host: String(answer[0]), port: Number(answer[1]) };
        failure ??= new StunmeshError('ERR_STORE_UNAVAILABLE', `${place}: it knows no group named "${name}"`);
      } finally {
        await close();
      }
    } catch (error) {
      signal.throwIfAborted();
      failure ??= limit.signal.aborted
        ? new StunmeshError('ERR_STORE_UNAVAILABLE', `${place}: no answer`)
        : redisError(error, place, options.settings.prefix);
    }
  }
  throw failure ?? new StunmeshError('ERR_STORE_UNAVAILABLE', 'no sentinel is configured');
}
