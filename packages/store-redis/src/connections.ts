/** What to connect to, by the settings: for commands and for news. */
import { StunmeshError } from '@stunmesh/core/api';
import type { Redis } from 'ioredis';
import { type Backend, clusterBackend, serverBackend } from './backend.js';
import { type ClientOptions, openCluster, openServer } from './client.js';
import type { Connection } from './link.js';
import { isLost, redisError } from './redis-error.js';
import { formatAddress, type HostPort } from './redis-url.js';
import { findMaster } from './sentinel.js';

/** A connection for commands. Rejects with a StunmeshError, or with the signal's reason. */
export async function openBackend(options: ClientOptions, signal: AbortSignal): Promise<Connection<Backend>> {
  const { target, place, prefix } = options.settings;
  if (target.kind !== 'cluster') {
    const connection = await openMaster(options, signal);
    return { ...connection, client: serverBackend(connection.client) };
  }
  try {
    const { client, ended, close } = await openCluster(options, target.nodes, signal);
    return { client: clusterBackend(client, prefix), ended, close };
  } catch (error) {
    signal.throwIfAborted();
    throw redisError(error, place, prefix);
  }
}

/** A connection for news. On a Cluster every node passes them on, so another one is tried each time, of those that are
 * configured and those in `known`. */
export async function openListener(
  options: ClientOptions,
  signal: AbortSignal,
  attempt: number,
  known: readonly HostPort[],
): Promise<Connection<Redis>> {
  const { target, credentials } = options.settings;
  if (target.kind !== 'cluster') return await openMaster(options, signal);
  const nodes = new Map([...target.nodes, ...known].map((node) => [formatAddress(node), node]));
  const node = [...nodes.values()][attempt % nodes.size] ?? { host: 'localhost', port: 6379 };
  try {
    return await openServer(options, node, credentials, 0, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw openingError(error, formatAddress(node), options);
  }
}

async function openMaster(options: ClientOptions, signal: AbortSignal): Promise<Connection<Redis>> {
  const { target, credentials, db, place } = options.settings;
  let where = place;
  try {
    if (target.kind === 'single') return await openServer(options, target.address, credentials, db, signal);
    if (target.kind !== 'sentinel') throw new TypeError('a Cluster has several masters');
    const master = await findMaster(options, target, signal);
    where = `master ${formatAddress(master)}`;
    return await openServer(options, master, credentials, db, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw openingError(error, where, options);
  }
}

/** A server that ends a connection at once, without a word, is often one that was spoken to in clear where it wants TLS. */
function openingError(error: unknown, place: string, { settings }: ClientOptions): StunmeshError {
  if (settings.tls || !isLost(error)) return redisError(error, place, settings.prefix);
  const what = 'the server ends each connection at once; if this is its TLS port, write rediss:// (or tls: true)';
  return new StunmeshError('ERR_STORE_UNAVAILABLE', `${place}: ${what}`, { details: { server: place } });
}
