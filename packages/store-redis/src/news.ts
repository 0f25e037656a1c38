/** Watches records by subscribing to their channels, on a connection of its own that exists while anybody watches. */
import { type Clock, raceAbort, type StunmeshError, type WatchListener } from '@stunmesh/core/api';
import type { Redis } from 'ioredis';
import { type Connection, createLink, type Link } from './link.js';

export interface NewsOptions {
  readonly clock: Clock;
  open(signal: AbortSignal, attempt: number): Promise<Connection<Redis>>;
  channelOf(key: string): string;
  /** What the server answered, as an error to show. */
  explain(error: unknown): StunmeshError;
  onUp(): void;
  onDown(error: StunmeshError): void;
  lost(): StunmeshError;
  unanswered(): StunmeshError;
}

export interface News extends AsyncDisposable {
  /** Resolves when the news of these keys arrive, or when it is clear that they do not yet: then it goes on trying and
   * says so by `on.fault`. Rejects with the signal's reason. */
  watch(keys: readonly string[], on: WatchListener, signal: AbortSignal): Promise<AsyncDisposable>;
  /** Sees whether the connection is alive; a dead one is replaced. */
  probe(): void;
}

interface Subscription {
  /** Key by channel. */
  readonly keys: ReadonlyMap<string, string>;
  readonly on: WatchListener;
  /** Something may have been missed. */
  stale: boolean;
}

interface Listening {
  readonly link: Link<Redis>;
  /** The channels that the present connection has. */
  readonly channels: Set<string>;
}

export function createNews(options: NewsOptions): News {
  const subscriptions = new Set<Subscription>();
  let listening: Listening | undefined;

  const wanted = (): string[] => [...new Set([...subscriptions].flatMap(({ keys }) => [...keys.keys()]))];

  const fault = (subscription: Subscription, error: StunmeshError): void => {
    if (subscription.stale) return;
    subscription.stale = true;
    subscription.on.fault(error);
  };

  function listen(): Listening {
    const link = createLink<Redis>({
      clock: options.clock,
      lost: options.lost,
      unanswered: options.unanswered,
      async open(signal, attempt) {
        const connection = await options.open(signal, attempt);
        const channels = wanted();
        try {
          if (channels.length > 0) await raceAbort(connection.client.subscribe(...channels), signal);
        } catch (error) {
          await connection.close();
          signal.throwIfAborted();
          throw (await connection.ended) ?? options.explain(error);
        }
        connection.client.on('message', hear);
        for (const channel of channels) self.channels.add(channel);
        return connection;
      },
      onUp() {
        options.onUp();
        for (const subscription of [...subscriptions]) {
          if (!subscription.stale) continue;
          subscription.stale = false;
          for (const key of subscription.keys.values()) subscription.on.change(key);
        }
      },
      onDown(error) {
        self.channels.clear();
        options.onDown(error);
        for (const subscription of [...subscriptions]) fault(subscription, error);
      },
    });
    const self: Listening = { link, channels: new Set() };
    return self;
  }

  const hear = (channel: string, message: string): void => {
    for (const { keys, on } of [...subscriptions]) {
      const key = keys.get(channel);
      // An empty message: deleted, or somebody who does not send the value along.
      if (key === undefined) continue;
      if (message === '') on.change(key);
      else on.change(key, message);
    }
  };

  async function drop(subscription: Subscription): Promise<void> {
    if (!subscriptions.delete(subscription) || !listening) return;
    const { link, channels } = listening;
    if (subscriptions.size === 0) {
      listening = undefined;
      await link[Symbol.asyncDispose]();
      return;
    }
    const still = new Set(wanted());
    const idle = [...subscription.keys.keys()].filter((channel) => channels.has(channel) && !still.has(channel));
    for (const channel of idle) channels.delete(channel);
    // Nobody waits for the answer: what still arrives is for nobody.
    if (idle.length > 0) link.current?.unsubscribe(...idle).catch(() => {});
  }

  return {
    async watch(keys, on, signal) {
      signal.throwIfAborted();
      const named = new Map(keys.map((key) => [options.channelOf(key), key]));
      const subscription: Subscription = { keys: named, on, stale: false };
      subscriptions.add(subscription);
      listening ??= listen();
      const { link, channels } = listening;
      let client: Redis | undefined;
      try {
        client = await link.ready(signal);
        const missing = [...named.keys()].filter((channel) => !channels.has(channel));
        if (missing.length > 0) await raceAbort(client.subscribe(...missing), signal);
        for (const channel of missing) channels.add(channel);
      } catch (error) {
        if (signal.aborted) {
          await drop(subscription);
          throw signal.reason;
        }
        fault(subscription, options.explain(error));
        // A connection that subscribes to nothing is of no use; the next one begins with all channels.
        if (client) link.drop(client);
      }
      return { [Symbol.asyncDispose]: () => drop(subscription) };
    },
    probe() {
      listening?.link.current?.ping().catch(() => {});
    },
    async [Symbol.asyncDispose]() {
      subscriptions.clear();
      const last = listening;
      listening = undefined;
      await last?.link[Symbol.asyncDispose]();
    },
  };
}
