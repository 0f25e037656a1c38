/** Stores under test, and what tests look at. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { CallOptions, Store, StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock, type MemoryLogger } from '@stunmesh/core/testing';
import redisStore, { type RedisStoreConfig } from '#src/index.js';
import { closeAtEnd } from './at-end.js';

export const clock = createSystemClock();
export const free: CallOptions = { signal: new AbortController().signal };

export const randomKey = (): string => randomBytes(20).toString('hex');
export const randomValue = (): string => randomBytes(125).toString('hex');

export interface Opened {
  readonly store: Store;
  readonly logger: MemoryLogger;
}

export async function openStore(t: TestContext, config: RedisStoreConfig): Promise<Opened> {
  const logger = createMemoryLogger();
  const store = await redisStore.open(config, { clock, logger });
  closeAtEnd(t, store);
  return { store, logger };
}

/** Rejects with this code and a message that has all these parts. */
export const failing =
  (code: string, ...parts: readonly string[]) =>
  (error: StunmeshError) => {
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
    return true;
  };

/** Resolves when `holds` does: it is looked at every 10 ms, for as long as the test may take. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await clock.sleep(10);
}
