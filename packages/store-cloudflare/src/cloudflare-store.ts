/** A store over the TXT records of a zone: reads by the API or by DNS, writes by the API, both for many peers at once. */
import { type Clock, type Connect, type Logger, type Store, StunmeshError } from '@stunmesh/core/api';
import { createApiReader } from './api-reader.js';
import { createBudget } from './budget.js';
import { createDnsReader } from './dns-reader.js';
import { createGather, resultOf } from './gather.js';
import type { Names } from './names.js';
import { createTransport } from './transport.js';
import { createWriter } from './writer.js';
import { createZoneApi } from './zone-api.js';

/** One character string of a TXT record (RFC 1035 3.3.14): the longest value that an older program reads as it is. */
export const MAX_VALUE = 255;
/** The longest value at all: with its quotes it stays within the 2,048 characters that the API takes. */
export const MAX_LONG_VALUE = 2_000;
/** Writes that come within this time are one request. */
const WINDOW_MS = 100;

export interface CloudflareStoreOptions {
  readonly names: Names;
  readonly baseUrl: string;
  readonly ttl: number | undefined;
  readonly readToken: () => Promise<string>;
  readonly read: 'api' | 'dns';
  readonly resolver: readonly string[] | undefined;
  readonly servers: readonly string[] | undefined;
  readonly clock: Clock;
  readonly connect?: Connect;
  readonly logger: Logger;
}

/** A store that makes no call before it is used (F32). */
export function createCloudflareStore(options: CloudflareStoreOptions): Store {
  const { clock, logger, read } = options;
  const transport = createTransport(options);
  const api = createZoneApi({ ...options, transport, budget: createBudget(clock) });
  const reader = read === 'dns' ? createDnsReader(options) : createApiReader({ api, clock });
  const writer = createWriter({ api, logger });
  const writes = createGather<string | undefined, never>({
    clock,
    windowMs: WINDOW_MS,
    async run(wanted, signal) {
      try {
        return await writer.write(wanted, signal);
      } finally {
        reader.forget();
      }
    },
  });
  let closed = false;

  const checkOpen = (): void => {
    if (closed) throw new StunmeshError('ERR_CLOSED', 'the store is closed');
  };

  const checkValue = (value: string): void => {
    if (value.length <= MAX_LONG_VALUE) return;
    throw new StunmeshError(
      'ERR_STORE_TOO_LARGE',
      `the value has ${value.length} characters, a TXT record takes ${MAX_LONG_VALUE}`,
    );
  };

  const write = async (key: string, value: string | undefined, signal: AbortSignal): Promise<void> => {
    checkOpen();
    resultOf(await writes.call(new Map([[key, value]]), signal), key);
  };

  return {
    async get(key, { signal }) {
      checkOpen();
      return reader.get(key, signal);
    },
    async set(key, value, { signal }) {
      checkValue(value);
      await write(key, value, signal);
    },
    delete: (key, { signal }) => write(key, undefined, signal),
    async getMany(keys, { signal }) {
      checkOpen();
      return reader.getMany(keys, signal);
    },
    async setMany(records, { signal }) {
      checkOpen();
      const failures = new Map<string, StunmeshError>();
      const good = new Map<string, string>();
      for (const [key, value] of records) {
        try {
          checkValue(value);
          good.set(key, value);
        } catch (error) {
          failures.set(key, error as StunmeshError);
        }
      }
      const results = good.size > 0 ? await writes.call(good, signal) : failures;
      // A batch may hold other callers' keys.
      for (const key of good.keys()) {
        const failure = results.get(key);
        if (failure) failures.set(key, failure);
      }
      return failures;
    },
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      writes[Symbol.dispose]();
      reader[Symbol.dispose]();
      transport[Symbol.dispose]();
    },
  };
}
