/** Stores over folders of their own, another user, and errors with all that a message has to say. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CallOptions, Store, StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import fileStore from '#src/index.js';

export const KEY = 'a'.repeat(40);

export const OTHER = 'b'.repeat(40);

export const free: CallOptions = { signal: new AbortController().signal };

export async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-file-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function openAt(t: TestContext, path: string, logger = createMemoryLogger()): Promise<Store> {
  const store = await fileStore.open({ path }, { clock: createSystemClock(), logger });
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

/** Rejects with this code and a message that has all these parts. */
export const failing =
  (code: string, ...parts: readonly string[]) =>
  (error: StunmeshError) => {
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
    return true;
  };
