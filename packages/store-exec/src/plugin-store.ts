/** A store over a plugin of exec protocol 1. */
import { setMaxListeners } from 'node:events';
import { type CallOptions, isStunmeshError, type Store, StunmeshError, type WatchListener } from '@stunmesh/core/api';
import { type ExecParts, type ExecStoreConfig, launchOptions } from './exec-config.js';
import { inTurns } from './in-turns.js';
import { checkInput } from './input.js';
import { type Description, MAX_VALUE, readErrors, readValue, readValues } from './messages.js';
import { createRedactor, oneLine } from './one-line.js';
import { createPluginClient } from './plugin-client.js';
import { MOST_IN_FLIGHT } from './session.js';

/** Most keys of one getMany or setMany. */
export const MOST_KEYS = 1000;
/** Most processes at once in place of a getMany or setMany, where the configuration does not say. */
const MOST_PROCESSES = 8;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Starts nothing until it is called (F32). getMany and setMany are there until the plugin has said that it has none. */
export function createPluginStore(config: ExecStoreConfig, parts: ExecParts & { random(): number }): Store {
  const name = oneLine(config.command);
  const redact = createRedactor(launchOptions(config, parts.secretVariables).env);
  const client = createPluginClient(config, {
    ...parts,
    learnt(description) {
      // Key by key the host's own calls are better, as each has a time limit of its own.
      if (!description.many) {
        delete store.getMany;
        delete store.setMany;
      }
    },
  });

  /** Every error begins with the program's name. */
  const named = async <T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      if (signal.aborted || !isStunmeshError(error)) throw error;
      throw withName(error);
    }
  };
  const withName = (error: StunmeshError): StunmeshError => {
    const { code, message, retry, retryAfterMs, details } = error;
    return new StunmeshError(code, `${name}: ${redact(message)}`, {
      retry,
      details,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  };

  const get = (key: string, { signal }: CallOptions): Promise<string | undefined> =>
    named(signal, async () => {
      checkInput(key);
      return readValue((await client.ask({ action: 'get', key }, signal))['value']);
    });

  /** Why this plugin does not take this value; undefined: it does. */
  const misfit = (value: string, { traits }: Description): StunmeshError | undefined => {
    const most = Math.max(traits.maxValueBytes ?? MAX_VALUE, traits.maxLongValue ?? 0);
    if (value.length <= most) return undefined;
    const text = `the value has ${value.length} characters, the plugin keeps at most ${most}`;
    return new StunmeshError('ERR_STORE_TOO_LARGE', text);
  };

  const set = (key: string, value: string, { signal }: CallOptions): Promise<void> =>
    named(signal, async () => {
      checkInput(key, value);
      const refusal = misfit(value, await client.description(signal));
      if (refusal) throw refusal;
      await client.ask({ action: 'set', key, value }, signal);
    });

  /** Asks in batches, or key by key where the plugin has no word for several; the map has what each key came to. */
  const several = async <T>(
    keys: readonly string[],
    caller: AbortSignal,
    batch: (keys: readonly string[], signal: AbortSignal) => Promise<ReadonlyMap<string, T | StunmeshError>>,
    single: (key: string, signal: AbortSignal) => Promise<T | undefined>,
  ): Promise<Map<string, T | StunmeshError>> => {
    const { many, session } = await client.description(caller);
    const into = new Map<string, T | StunmeshError>();
    const failed = (key: string, error: unknown): void => {
      into.set(key, isStunmeshError(error) ? withName(error) : new StunmeshError('ERR_STORE_INTERNAL', 'failed'));
    };
    // Each call listens to the end of all, and they are more than Node thinks right.
    const all = new AbortController();
    setMaxListeners(0, all.signal);
    const onAbort = () => all.abort(caller.reason);
    caller.addEventListener('abort', onAbort, { once: true });
    try {
      caller.throwIfAborted();
      if (many) {
        for (let from = 0; from < keys.length; from += MOST_KEYS) {
          const part = keys.slice(from, from + MOST_KEYS);
          try {
            for (const [key, found] of await batch(part, all.signal))
              into.set(key, isStunmeshError(found) ? withName(found) : found);
          } catch (error) {
            for (const key of part) failed(key, error);
          }
        }
      } else {
        await inTurns(keys, session ? MOST_IN_FLIGHT : (config.parallel ?? MOST_PROCESSES), async (key) => {
          try {
            const found = await single(key, all.signal);
            if (found !== undefined) into.set(key, found);
          } catch (error) {
            failed(key, error);
          }
        });
      }
      caller.throwIfAborted();
      return into;
    } finally {
      caller.removeEventListener('abort', onAbort);
    }
  };

  const store: Mutable<Store> = {
    get,
    set,
    getMany: (keys, options) =>
      named(options.signal, () => {
        for (const key of keys) checkInput(key);
        return several<string>(
          keys,
          options.signal,
          async (part, signal) => readValues(await client.ask({ action: 'getMany', keys: part }, signal), part),
          async (key, signal) => readValue((await client.ask({ action: 'get', key }, signal))['value']),
        );
      }),
    setMany: (records, options) =>
      named(options.signal, async () => {
        for (const [key, value] of records) checkInput(key, value);
        const value = (key: string): string => records.get(key) ?? '';
        const description = await client.description(options.signal);
        const refused = new Map<string, StunmeshError>();
        for (const [key, text] of records) {
          const refusal = misfit(text, description);
          if (refusal) refused.set(key, withName(refusal));
        }
        const failures = await several<never>(
          [...records.keys()].filter((key) => !refused.has(key)),
          options.signal,
          async (part, signal) => {
            const values = Object.fromEntries(part.map((key) => [key, value(key)]));
            return readErrors(await client.ask({ action: 'setMany', values }, signal), part);
          },
          async (key, signal) => {
            await client.ask({ action: 'set', key, value: value(key) }, signal);
            return undefined;
          },
        );
        return new Map([...refused, ...failures]);
      }),
    delete: (key, { signal }) =>
      named(signal, async () => {
        checkInput(key);
        if (!(await client.description(signal)).delete)
          throw new StunmeshError('ERR_STORE_DENIED', 'the plugin has no delete');
        await client.ask({ action: 'delete', key }, signal);
      }),
    watch: (keys, on: WatchListener, { signal }) =>
      named(signal, () => {
        for (const key of keys) checkInput(key);
        const listener: WatchListener = {
          change: (key, value) => (value === undefined ? on.change(key) : on.change(key, value)),
          fault: (error) => on.fault(withName(error)),
        };
        return client.watch(keys, listener, signal);
      }),
    describe: ({ signal }) => named(signal, async () => (await client.description(signal)).traits),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
  return store;
}
