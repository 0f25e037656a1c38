/** What to connect to, by the settings: for commands and for news. */
import type { Redis } from 'ioredis';
import { type Backend, clusterBackend, serverBackend } from './backend.js';
import { type ClientOptions, openCluster, openServer } from './client.js';
import type { Connection } from './link.js';
import { redisError } from './redis-error.js';
import { formatAddress } from './redis-url.js';
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

/** A connection for news. On a Cluster every node passes them on, so another one is tried each time. */
export async function openListener(
  options: ClientOptions,
  signal: AbortSignal,
  attempt: number,
): Promise<Connection<Redis>> {
  const { target, credentials, prefix } = options.settings;
  if (target.kind !== 'cluster') return await openMaster(options, signal);
  const node = target.nodes[attempt % target.nodes.length] ?? { host: 'localhost', port: 6379 };
  try {
    return await openServer(options, node, credentials, 0, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw redisError(error, formatAddress(node), prefix);
  }
}

async function openMaster(options: ClientOptions, signal: AbortSignal): Promise<Connection<Redis>> {
  const { target, credentials, db, place, prefix } = options.settings;
  let where = place;
  try {
    if (target.kind === 'single') return await openServer(options, target.address, credentials, db, signal);
    if (target.kind !== 'sentinel') throw new TypeError('a Cluster has several masters');
    const master = await findMaster(options, target, signal);
    where = `master ${formatAddress(master)}`;
    return await openServer(options, master, credentials, db, signal);
  } catch (error) {
    signal.throwIfAborted();
    throw redisError(error, where, prefix);
  }
}
