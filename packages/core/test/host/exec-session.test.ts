import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '#src/api/index.js';
import { createPluginHost } from '#src/host/plugin-host.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';

const clock = createSystemClock();
const free = { signal: new AbortController().signal };
const key = (n: number): string => n.toString(16).padStart(40, '0');

/** A session plugin that keeps records in memory and notes each request's action, behind the host's guard. */
async function open(t: TestContext, traits: string, extra = '') {
  const folder = await mkdtemp(join(tmpdir(), 'exec-session-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const command = join(folder, 'plugin.mjs');
  await writeFile(
    command,
    `#!${process.execPath}
import { appendFileSync, fstatSync } from 'node:fs';
import { createInterface } from 'node:readline';
const single = fstatSync(0).isFile();
const kept = new Map();
appendFileSync('${folder}/asked', '#' + process.pid + '\\n');
for await (const line of createInterface({ input: process.stdin })) {
  const { id, action, key, value, keys, values } = JSON.parse(line);
  appendFileSync('${folder}/asked', action + '\\n');
  const a = { id, success: true };
  ${extra}
  if (action === 'describe') Object.assign(a, { protocol: 1, traits: ${traits} });
  if (action === 'set') kept.set(key, value);
  if (action === 'get') a.value = kept.get(key);
  if (action === 'setMany') for (const [k, v] of Object.entries(values)) kept.set(k, v);
  if (action === 'getMany') a.values = Object.fromEntries(keys.map((k) => [k, kept.get(k)]));
  process.stdout.write(JSON.stringify(a) + '\\n');
}
`,
    { mode: 0o755 },
  );
  const host = createPluginHost({ clock, logger: createMemoryLogger() });
  const settings = { command, protocol: 1 };
  const store = await host.openStore({ name: 'mine', type: 'exec', timeoutMs: 10_000, settings });
  t.after(() => store.close());
  return { store, asked: async () => (await readFile(join(folder, 'asked'), 'utf8')).trim().split('\n') };
}

test('F36 1,000 peers that are written and read in one turn are two requests to one process', async (t) => {
  const { store, asked } = await open(
    t,
    '{ session: true, many: true, max_value_bytes: 258, max_long_value: 4000, min_poll_ms: 7000, expires_after_ms: 60000 }',
  );
  await store.get(key(0), free);
  const numbers = Array.from({ length: 1000 }, (_, n) => n);
  const started = clock.now();
  await Promise.all(numbers.map((n) => store.set(key(n), 'ab'.repeat(125), free)));
  const found = await Promise.all(numbers.map((n) => store.get(key(n), free)));
  t.diagnostic(`${(clock.now() - started).toFixed(0)} ms for 1,000 peers`);
  assert.ok(found.every((value) => value?.length === 250));
  const words = await asked();
  assert.equal(words.filter((word) => word.startsWith('#')).length, 2, 'one that describes itself, and the session');
  // The first call was alone in its turn.
  assert.deepEqual(
    words.filter((word) => !word.startsWith('#')),
    ['describe', 'describe', 'get', 'setMany', 'getMany'],
  );
  assert.deepEqual(store.traits, {
    maxValueBytes: 258,
    maxLongValue: 4_000,
    minPollMs: 7000,
    expiresAfterMs: 60_000,
  });
  await store.set(key(0), 'ab'.repeat(2_000), free);
  await assert.rejects(store.set(key(0), 'ab'.repeat(2_001), free), /4002 characters.*4000/);
});

test('F14 without getMany every peer is read by a call of its own, eight at a time, and none is dropped', async (t) => {
  const { store, asked } = await open(t, '{ session: true }');
  const numbers = Array.from({ length: 1000 }, (_, n) => n);
  await store.set(key(0), 'ab', free);
  const started = clock.now();
  const found = await Promise.all(numbers.map((n) => store.get(key(n), free)));
  t.diagnostic(`${(clock.now() - started).toFixed(0)} ms for 1,000 reads, one by one`);
  assert.equal(found[0], 'ab');
  assert.equal((await asked()).filter((word) => word === 'get').length, 1000);
});

test('F13 a session that dies of one key fails the calls under way and no others; the host goes on', async (t) => {
  const { store } = await open(t, '{ session: true }', `if (action === 'set' && value === 'dead') process.exit(1);`);
  await store.set(key(1), 'ab', free);
  const results = await Promise.allSettled(
    Array.from({ length: 100 }, (_, n) => store.set(key(n), n === 50 ? 'dead' : 'ab', free)),
  );
  const failures = results.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
  assert.ok(failures.length >= 1 && failures.length <= 16, `${failures.length} failed`);
  for (const error of failures) assert.ok(hasCode(error, 'ERR_EXEC_FAILED'), error.message);
  assert.equal(results[50]?.status, 'rejected');
  await store.set(key(1), 'ab', free);
});
