/** A Cluster of real nodes, each the master of its share of the slots. */
import type { Redis } from './find-redis.js';
import { freePort, openServer, type RedisServer } from './redis-server.js';
import { until } from './store.js';

const SLOTS = 16_384;

export interface RedisCluster extends AsyncDisposable {
  readonly servers: readonly RedisServer[];
  /** "host:port" of each. */
  readonly nodes: readonly string[];
  /** Resolves when every node takes calls for every slot. */
  ready(): Promise<void>;
}

export async function startCluster(redis: Redis, count: number): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  const busPorts: number[] = [];
  for (let index = 0; index < count; index += 1) {
    // The port of the bus is 10,000 higher by default, and may then be none.
    const bus = await freePort();
    busPorts.push(bus);
    servers.push(
      await openServer(redis, {
        lines: [
          'cluster-enabled yes',
          'cluster-config-file nodes.conf',
          'cluster-node-timeout 2000',
          `cluster-port ${bus}`,
        ],
      }),
    );
  }
  for (const [index, server] of servers.entries()) {
    const from = Math.floor((SLOTS * index) / count);
    const to = Math.floor((SLOTS * (index + 1)) / count) - 1;
    await server.command('CLUSTER', 'ADDSLOTSRANGE', from, to);
    const [first] = servers;
    if (index > 0 && first) await server.command('CLUSTER', 'MEET', '127.0.0.1', first.port, busPorts[0] ?? 0);
  }
  const isReady = async (server: RedisServer): Promise<boolean> => {
    const text = String(await server.command('CLUSTER', 'INFO'));
    return text.includes('cluster_state:ok') && text.includes(`cluster_known_nodes:${count}`);
  };
  const ready = async (): Promise<void> => {
    for (const server of servers) await until(() => isReady(server));
  };
  await ready();
  return {
    servers,
    nodes: servers.map(({ port }) => `127.0.0.1:${port}`),
    ready,
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}
