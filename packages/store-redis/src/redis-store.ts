/** A store over Redis: many keys in one round trip, news of every write, a connection that comes back by itself. */
import {
  type CallOptions,
  type Clock,
  type Connect,
  type Logger,
  raceAbort,
  type Store,
  StunmeshError,
} from '@stunmesh/core/api';
import type { Backend, Written } from './backend.js';
import { createLink, type Link } from './link.js';
import { createNews } from './news.js';
import { isLost, isNotPermitted, redisError } from './redis-error.js';
import { createReport } from './report.js';
import type { Settings } from './settings.js';

export interface RedisStoreOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly connect?: Connect;
}

/** Touches nothing until it is called (F32). */
export function createRedisStore(options: RedisStoreOptions): Store {
  const { settings, clock, logger } = options;
  const { place, prefix, db, ttlMs } = settings;
  const report = createReport(logger, place, clock);
  const unavailable = (what: string) => () =>
    new StunmeshError('ERR_STORE_UNAVAILABLE', `${place}: ${what}`, { details: { server: place } });
  const lost = unavailable('the connection was lost');
  const unanswered = unavailable(settings.tls ? 'no answer; is this its TLS port?' : 'no answer');
  // ioredis is large; who has no use for it need not load it.
  const connections = () => import('./connections.js');
  let closed = false;
  let silenced = false;

  const link: Link<Backend> = createLink<Backend>({
    clock,
    lost,
    unanswered,
    open: async (signal) => (await connections()).openBackend(options, signal),
    onUp: () => report.up('commands'),
    onDown(error) {
      report.down('commands', error);
      // What cut this connection may have cut the other one, on which nothing is due that would show it.
      news.probe();
    },
  });

  const nameOf = (key: string): string => `${prefix}${key}`;
  // Channels know no databases, keys do.
  const channelOf = (name: string): string => `${name}@${db}`;

  const news = createNews({
    clock,
    lost,
    unanswered,
    open: async (signal, attempt) =>
      (await connections()).openListener(options, signal, attempt, link.current?.nodes?.() ?? []),
    channelOf: (key) => channelOf(nameOf(key)),
    explain: (error) => redisError(error, place, prefix),
    onUp: () => report.up('news'),
    onDown: (error) => report.down('news', error),
  });

  const refuseClosed = (): void => {
    if (closed) throw new StunmeshError('ERR_CLOSED', 'the store is closed');
  };

  /** One exchange with the server. Everything here may be done twice, so what a lost connection left open is done again, once. */
  async function exchange<T>(signal: AbortSignal, work: (backend: Backend) => Promise<T>, again = true): Promise<T> {
    signal.throwIfAborted();
    refuseClosed();
    const backend = await link.ready(signal);
    try {
      return await raceAbort(work(backend), signal);
    } catch (error) {
      signal.throwIfAborted();
      refuseClosed();
      if (!isLost(error)) throw redisError(error, place, prefix);
      link.drop(backend);
      if (again) return await exchange(signal, work, false);
      throw link.reason ?? lost();
    }
  }

  /** A backend answers for each key; that the connection was lost is the same for all of them. */
  const unlessLost = <T>(answers: readonly T[], errorOf: (answer: T) => unknown): readonly T[] => {
    for (const answer of answers) if (isLost(errorOf(answer))) throw errorOf(answer);
    return answers;
  };

  async function getMany(keys: readonly string[], { signal }: CallOptions) {
    signal.throwIfAborted();
    refuseClosed();
    const found = new Map<string, string | StunmeshError>();
    if (keys.length === 0) return found;
    const answers = await exchange(signal, async (backend) =>
      unlessLost(await backend.read(keys.map(nameOf)), (a) => a),
    );
    for (const [index, key] of keys.entries()) {
      const answer = answers[index];
      if (answer instanceof Error) found.set(key, redisError(answer, place, prefix));
      else if (typeof answer === 'string' && answer !== '') found.set(key, answer);
    }
    return found;
  }

  async function write(records: readonly (readonly [string, string | undefined])[], signal: AbortSignal) {
    signal.throwIfAborted();
    refuseClosed();
    const failures = new Map<string, StunmeshError>();
    if (records.length === 0) return failures;
    const named = records.map(([key, value]) => [nameOf(key), value] as const);
    const writing = { ...(ttlMs === undefined ? {} : { ttlMs }), channelOf };
    const answers = await exchange(signal, async (backend) =>
      unlessLost(await backend.write(named, writing), ({ failure }) => failure),
    );
    for (const [index, [key]] of records.entries()) {
      const { failure, silence }: Written = answers[index] ?? {};
      if (failure) failures.set(key, redisError(failure, place, prefix));
      else if (silence) tellSilence(silence);
    }
    // Sentinels know by now who is the master instead.
    const demoted = answers.some(({ failure }) => failure?.message.startsWith('READONLY'));
    if (demoted && settings.target.kind === 'sentinel' && link.current) link.drop(link.current);
    return failures;
  }

  /** The value is there, so the write has succeeded; its readers will find it when they look next. */
  function tellSilence(error: Error): void {
    if (silenced) return;
    silenced = true;
    const reason = redisError(error, place, prefix);
    const what = isNotPermitted(error) ? 'may not announce changes' : 'cannot announce changes';
    logger.warn({ server: place, error: reason }, `${what}, so the other machines learn of them only when they look`);
  }

  async function one(key: string, value: string | undefined, signal: AbortSignal): Promise<void> {
    for (const error of (await write([[key, value]], signal)).values()) throw error;
  }

  return {
    async get(key, call) {
      const answer = (await getMany([key], call)).get(key);
      if (typeof answer === 'object') throw answer;
      return answer;
    },
    set: (key, value, { signal }) => one(key, value, signal),
    delete: (key, { signal }) => one(key, undefined, signal),
    getMany,
    setMany: (records, { signal }) => write([...records], signal),
    async watch(keys, on, { signal }) {
      signal.throwIfAborted();
      refuseClosed();
      return await news.watch(keys, on, signal);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      await Promise.all([link[Symbol.asyncDispose](), news[Symbol.asyncDispose]()]);
    },
  };
}
