/** The commands of a store, on one server and on a Cluster. */
import type { Cluster, Redis } from 'ioredis';
import type { HostPort } from './redis-url.js';

export interface WriteOptions {
  readonly ttlMs?: number;
  /** Where a change is announced. */
  channelOf(name: string): string;
}

/** Of each record: what went wrong with writing it, and with announcing it. */
export interface Written {
  readonly failure?: Error;
  readonly silence?: Error;
}

export interface Backend {
  /** The nodes of a Cluster that are known by now. */
  nodes?(): readonly HostPort[];
  /** The values in the order of the names; null: none. Rejects only as a whole; an Error stands for a name that failed. */
  read(names: readonly string[]): Promise<readonly (string | null | Error)[]>;
  /** In the order of the records; undefined instead of a value: deleted. */
  write(
    records: readonly (readonly [string, string | undefined])[],
    options: WriteOptions,
  ): Promise<readonly Written[]>;
}

/** Keys in one MGET; a server answers nobody else meanwhile. */
const MOST_KEYS = 1_000;

/** Everything in one write to the socket, so one round trip however many records there are. */
export function serverBackend(client: Redis): Backend {
  return {
    async read(names) {
      const pipeline = client.pipeline();
      for (let at = 0; at < names.length; at += MOST_KEYS) pipeline.mget(names.slice(at, at + MOST_KEYS));
      const answers = (await pipeline.exec()) ?? [];
      return answers.flatMap(([error, values]) => {
        if (error) throw error;
        return values as (string | null)[];
      });
    },

    async write(records, { ttlMs, channelOf }) {
      const pipeline = client.pipeline();
      for (const [name, value] of records) {
        if (value === undefined) pipeline.del(name);
        else if (ttlMs === undefined) pipeline.set(name, value);
        else pipeline.set(name, value, 'PX', ttlMs);
        // Not held back until the write is answered: a record that a full server refuses is news to its readers all the same.
        pipeline.publish(channelOf(name), value ?? '');
      }
      const answers = (await pipeline.exec()) ?? [];
      return records.map((_, index) => written(answers[2 * index]?.[0], answers[2 * index + 1]?.[0]));
    },
  };
}

/** A command per slot, all at once; each follows its own redirection. */
export function clusterBackend(client: Cluster, prefix: string): Backend {
  // Braces in the prefix put every key into one slot (Redis Cluster specification, "Hash tags").
  const oneSlot = /^[^{]*\{[^}]+\}/.test(prefix);

  const group = (names: readonly string[]): string[][] => {
    const groups: string[][] = [];
    const most = oneSlot ? MOST_KEYS : 1;
    for (let at = 0; at < names.length; at += most) groups.push(names.slice(at, at + most));
    return groups;
  };

  return {
    nodes: () => client.nodes('master').map(({ options: { host = 'localhost', port = 6379 } }) => ({ host, port })),

    async read(names) {
      const answers = await Promise.all(
        group(names).map((some) =>
          client.mget(some).catch((error: Error): (string | null | Error)[] => some.map(() => error)),
        ),
      );
      return answers.flat();
    },

    async write(records, { ttlMs, channelOf }) {
      return await Promise.all(
        records.map(async ([name, value]) => {
          try {
            if (value === undefined) await client.del(name);
            else if (ttlMs === undefined) await client.set(name, value);
            else await client.set(name, value, 'PX', ttlMs);
          } catch (error) {
            return written(error as Error, undefined);
          }
          // Another node may pass the news on: only after the write, or its readers would be faster.
          const silence = await client.publish(channelOf(name), value ?? '').then(
            () => undefined,
            (error: Error) => error,
          );
          return written(undefined, silence);
        }),
      );
    },
  };
}

const written = (failure: Error | null | undefined, silence: Error | null | undefined): Written => ({
  ...(failure ? { failure } : {}),
  ...(silence ? { silence } : {}),
});
