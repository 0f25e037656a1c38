/** What most tests here begin with: the stand-in API, and a store over it. */
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { CallOptions, Clock, Store, StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock, type MemoryLogger } from '@stunmesh/core/testing';
import cloudflareStore, { type CloudflareStoreConfig } from '#src/index.js';
import { type ApiServer, startApiServer, TOKEN, ZONE } from './api-server.js';

export const free: CallOptions = { signal: new AbortController().signal };
export const SUBDOMAIN = 'wg';

export const newKey = (): string => randomBytes(20).toString('hex');
export const newValue = (length = 200): string => randomBytes(length).toString('hex').slice(0, length);
export const nameOf = (key: string): string => `${key}.${SUBDOMAIN}.${ZONE}`;

export interface Opened {
  readonly api: ApiServer;
  readonly store: Store;
  readonly logger: MemoryLogger;
}

export async function startApi(t: TestContext): Promise<ApiServer> {
  const api = await startApiServer();
  t.after(() => api[Symbol.asyncDispose]());
  return api;
}

/** A store over `api`; disposed with the test. */
export async function openStore(
  t: TestContext,
  api: ApiServer,
  more: Partial<CloudflareStoreConfig> & { readonly clock?: Clock; readonly logger?: MemoryLogger } = {},
): Promise<Store> {
  const { clock = createSystemClock(), logger = createMemoryLogger(), ...config } = more;
  const hasToken = config.token_file !== undefined || config.token_env !== undefined;
  const store = await cloudflareStore.open(
    { zone: ZONE, subdomain: SUBDOMAIN, api: api.url, ...(hasToken ? {} : { token: TOKEN }), ...config },
    { clock, logger },
  );
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

export async function open(t: TestContext, more: Partial<CloudflareStoreConfig> = {}): Promise<Opened> {
  const api = await startApi(t);
  const logger = createMemoryLogger();
  return { api, logger, store: await openStore(t, api, { ...more, logger }) };
}

/** The error of a call that has to fail. */
export async function failureOf(promise: Promise<unknown>): Promise<StunmeshError> {
  return promise.then(
    () => {
      throw new Error('the call was expected to fail');
    },
    (error: unknown) => error as StunmeshError,
  );
}
