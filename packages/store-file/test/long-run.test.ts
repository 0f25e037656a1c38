/** What many calls and several writers leave behind. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Store } from '@stunmesh/core/api';
import { countListeners, createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import fileStore from '#src/index.js';

const free = { signal: new AbortController().signal };
const key = (n: number): string => n.toString(16).padStart(40, '0');

async function openTwo(t: TestContext): Promise<{ path: string; one: Store; other: Store }> {
  const path = await mkdtemp(join(tmpdir(), 'store-file-'));
  const open = () => fileStore.open({ path }, { clock: createSystemClock(), logger: createMemoryLogger() });
  const [one, other] = [await open(), await open()];
  t.after(async () => {
    await Promise.all([one, other].map((store) => store[Symbol.asyncDispose]()));
    await rm(path, { recursive: true, force: true });
  });
  return { path, one, other };
}

test('two writers of one key: each write is whole, and the last one stays', async (t) => {
  const { path, one, other } = await openTwo(t);
  await Promise.all(
    Array.from({ length: 200 }, (_, n) => (n % 2 ? one : other).set(key(1), (n % 10).toString().repeat(250), free)),
  );
  assert.match((await one.get(key(1), free)) ?? '', /^(\d)\1{249}$/);
  await one.set(key(1), 'aa', free);
  await other.set(key(1), 'bb', free);
  assert.equal(await one.get(key(1), free), 'bb');
  assert.deepEqual(await readdir(path), [key(1)]);
});

const linux = process.platform === 'linux' ? false : 'counts descriptors in /proc';

test('10,000 calls leave no descriptor, temporary file or listener behind', { skip: linux }, async (t) => {
  const { path, one } = await openTwo(t);
  const { signal } = new AbortController();
  const listeners = countListeners(signal);
  await one.set(key(0), 'ab', { signal });
  const before = (await readdir('/proc/self/fd')).length;
  for (let round = 0; round < 100; round += 1) {
    // Nine reads, of which one finds nothing, to a write.
    const calls = Array.from({ length: 100 }, (_, n) =>
      n % 10 === 0 ? one.set(key(n), 'ab', { signal }) : one.get(key(n % 10 === 1 ? 7777 : n - (n % 10)), { signal }),
    );
    await Promise.all(calls);
  }
  assert.equal((await readdir('/proc/self/fd')).length, before);
  assert.equal((await readdir(path)).length, 10);
  assert.equal(listeners(), 0);
});
