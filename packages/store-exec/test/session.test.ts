import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode, isStunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { clock, failure, free, gone, KEY, nap, until, VALUE, zombies } from './fixture.js';
import { KEEPS, openSession1, scripted } from './session-fixture.js';

const linux = process.platform === 'linux';
const key = (n: number): string => n.toString(16).padStart(40, '0');
const own = () => ({ signal: new AbortController().signal });
const pids = async (folder: string) => (await readFile(join(folder, 'starts'), 'utf8')).trim().split('\n').map(Number);

async function descriptors(): Promise<string[]> {
  const fds = await readdir('/proc/self/fd');
  return Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
}

test('many requests are in flight in one process, and answers find their requests in any order', async (t) => {
  // Answers in reverse, once ten are there.
  const { path, folder } = await scripted(
    t,
    `held.push({ id, key }); if (held.length === 10) for (const { id, key } of held.reverse()) send({ id, success: true, value: key.slice(-2) });`,
    { session: true },
    'const held = [];',
  );
  const store = await openSession1(t, path);
  const found = await Promise.all(Array.from({ length: 10 }, (_, n) => store.get(key(n), free)));
  assert.deepEqual(
    found,
    Array.from({ length: 10 }, (_, n) => key(n).slice(-2)),
  );
  assert.equal((await pids(folder)).length, 1);
});

test('F32 nothing is started at open', async (t) => {
  const { path, folder } = await scripted(t, KEEPS);
  const store = await openSession1(t, path);
  assert.ok(!(await readdir(folder)).includes('starts'));
  assert.equal(await store.get(KEY, free), undefined);
});

test('F31 a session that is killed in the middle of 100 calls: each is answered or fails with a code, none is lost or doubled', async (t) => {
  // Remembers in a file what it did, and is killed by itself at the 60th call; every fifth call is never answered by then.
  const { path, folder } = await scripted(
    t,
    `appendFileSync(folder + '/done', key + '\\n');
     if (starts === 1 && count === 60) process.kill(process.pid, 'SIGKILL');
     if (starts === 1 && count % 5 === 0) continue;
     answer({});`,
  );
  const store = await openSession1(t, path);
  const results = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => store.set(key(n), VALUE, own())));
  const failures = results.filter((each) => each.status === 'rejected');
  for (const { reason } of failures) {
    assert.ok(hasCode(reason, 'ERR_EXEC_FAILED'), String(reason));
    assert.match((reason as Error).message, /ended by SIGKILL/);
  }
  assert.ok(failures.length >= 41 && failures.length < 100, `${failures.length} failed`);
  const done = (await readFile(join(folder, 'done'), 'utf8')).trim().split('\n');
  assert.equal(new Set(done).size, done.length, 'a call was sent twice');
  for (const [n, each] of results.entries()) if (each.status === 'fulfilled') assert.ok(done.includes(key(n)));
  // The next calls start it again, at once.
  await Promise.all(Array.from({ length: 100 }, (_, n) => store.set(key(n), VALUE, own())));
  assert.equal((await pids(folder)).length, 2);
});

test('F31 10,000 calls leave no process, descriptor or listener behind', async (t) => {
  const { path } = await scripted(t, KEEPS);
  const store = await openSession1(t, path);
  await store.get(KEY, free);
  const shared = new AbortController();
  const before = linux ? await descriptors() : [];
  const exits = process.listenerCount('exit');
  const warnings: Error[] = [];
  const onWarning = (warning: Error) => warnings.push(warning);
  process.on('warning', onWarning);
  t.after(() => process.off('warning', onWarning));
  for (let round = 0; round < 1250; round += 1)
    await Promise.all(Array.from({ length: 8 }, (_, n) => store.get(key(round * 8 + n), shared)));
  if (linux) assert.equal((await descriptors()).length, before.length);
  assert.equal(process.listenerCount('exit'), exits);
  assert.deepEqual(warnings, []);
  await store[Symbol.asyncDispose]();
  assert.equal(process.listenerCount('exit'), exits - 1);
  if (linux) {
    assert.deepEqual(await zombies(), []);
    assert.ok((await descriptors()).length < before.length);
  }
});

test('1,000 keys by setMany and getMany go through one process', async (t) => {
  const { path, folder } = await scripted(
    t,
    `if (action === 'setMany') { for (const [k, v] of Object.entries(request.values)) values.set(k, v); answer({}); }
     else answer({ values: Object.fromEntries(request.keys.map((k) => [k, values.get(k)])) });`,
    { session: true, many: true },
  );
  const store = await openSession1(t, path);
  await store.getMany?.([KEY], free);
  const records = new Map(Array.from({ length: 1000 }, (_, n) => [key(n), randomBytes(125).toString('hex')]));
  const started = clock.now();
  assert.equal((await store.setMany?.(records, free))?.size, 0);
  assert.deepEqual(await store.getMany?.([...records.keys()], free), records);
  t.diagnostic(`${(clock.now() - started).toFixed(0)} ms for 1,000 keys written and read`);
  assert.equal((await pids(folder)).length, 1);
});

test('1,000 keys of a plugin that has no getMany go one by one, many at once, in one process', async (t) => {
  const { path, folder } = await scripted(t, KEEPS);
  const store = await openSession1(t, path);
  // As the host does, which asks for them before the plugin has described itself.
  const { getMany, setMany } = store;
  const records = new Map(Array.from({ length: 1000 }, (_, n) => [key(n), VALUE]));
  assert.equal((await setMany?.(records, free))?.size, 0);
  assert.deepEqual(await getMany?.([...records.keys(), key(5000)], free), records);
  assert.equal((await pids(folder)).length, 1);
  assert.deepEqual([store.getMany, store.setMany], [undefined, undefined], 'single calls have a time limit each');
});

test('a key that failed in getMany or setMany has its own code, the others their values', async (t) => {
  const { path } = await scripted(
    t,
    `if (action === 'getMany') answer({ values: { [request.keys[0]]: 'ab', [request.keys[3]]: null, stranger: 'cd' },
       errors: { [request.keys[1]]: { code: 'later', retry_after_ms: 7000, error: 'slow down' } } });
     else answer({ errors: { [Object.keys(request.values)[1]]: { code: 'rejected', error: 'no' } } });`,
    { session: true, many: true, max_value_bytes: 300 },
  );
  const store = await openSession1(t, path);
  const found = new Map(await store.getMany?.([key(0), key(1), key(2), key(3)], free));
  assert.deepEqual([...found.keys()], [key(0), key(1)]);
  assert.equal(found.get(key(0)), 'ab');
  const slow = found.get(key(1));
  assert.ok(isStunmeshError(slow) && slow.code === 'ERR_STORE_UNAVAILABLE' && slow.retryAfterMs === 7000);
  const records = new Map([0, 1, 2].map((n) => [key(n), VALUE]));
  records.set(key(9), 'ab'.repeat(151));
  const failures = new Map(await store.setMany?.(records, free));
  assert.deepEqual(
    [...failures].map(([name, { code }]) => [name, code]),
    [
      [key(9), 'ERR_STORE_TOO_LARGE'],
      [key(1), 'ERR_STORE_DENIED'],
    ],
  );
});

test('F33 codes of a plugin become codes of ours, with their pause; an absent key is a value', async (t) => {
  const answers: readonly (readonly [string, string, 'never' | 'later', number | undefined])[] = [
    ['{ code: "later", retry_after_ms: 1500, error: "busy" }', 'ERR_STORE_UNAVAILABLE', 'later', 1500],
    ['{ code: "rejected", error: "bad token" }', 'ERR_STORE_DENIED', 'never', undefined],
    ['{ code: "too_large" }', 'ERR_STORE_TOO_LARGE', 'never', undefined],
    ['{ code: "internal", extra: 1 }', 'ERR_STORE_INTERNAL', 'later', undefined],
    ['{ error: "no code" }', 'ERR_EXEC_FAILED', 'later', undefined],
    ['{ code: "unheard-of", retry_after_ms: -5 }', 'ERR_EXEC_FAILED', 'later', undefined],
    ['{ code: "later", retry_after_ms: "7" }', 'ERR_STORE_UNAVAILABLE', 'later', undefined],
  ];
  for (const session of [true, false]) {
    const { path } = await scripted(
      t,
      `const answers = [${answers.map(([text]) => text)}, { success: true }, { success: true, value: null }, { success: true, value: '' }];
       send({ id, success: false, ...answers[Number.parseInt(key.slice(-4), 16)] });`,
      { session },
    );
    const store = await openSession1(t, path);
    for (const [n, [, code, retry, pause]] of answers.entries()) {
      const error = await failure(store.get(key(n), free));
      assert.deepEqual([error.code, error.retry, error.retryAfterMs], [code, retry, pause]);
    }
    for (const n of [7, 8, 9]) assert.equal(await store.get(key(n), free), undefined);
  }
});

test('garbage, a foreign id and a line without end stop the session, each with its code and without a quotation', async (t) => {
  for (const [body, words] of [
    [`process.stdout.write('${VALUE}\\n')`, /a line that is no JSON/],
    [`process.stdout.write('[1]\\n')`, /no object/],
    ['send({ success: true })', /without the "id"/],
    ['send({ id: String(id), success: true })', /without the "id"/],
    ['send({ id: id + 1, success: true })', /without the "id"/],
    [`process.stdout.write('x'.repeat(70000))`, /a line of more than 65536 bytes/],
    [`answer({ success: 'yes' })`, /without "success"/],
    [`answer({ value: 7 })`, /"value" as a number/],
  ] as const) {
    const { path } = await scripted(t, body);
    const error = await failure((await openSession1(t, path)).get(KEY, free));
    assert.equal(error.code, 'ERR_EXEC_OUTPUT', body);
    assert.match(error.message, words);
    assert.ok(!error.message.includes(VALUE.slice(0, 16)) && error.message.length < 300);
  }
});

test('unknown members, unknown events and empty lines are ignored; answers in pieces are put together', async (t) => {
  const { path } = await scripted(
    t,
    `process.stdout.write('\\n{"event":"weather"}\\n\\n');
     const text = JSON.stringify({ more: { a: [1] }, id, success: true, value: 'ab', later: null });
     process.stdout.write(text.slice(0, 9));
     setTimeout(() => process.stdout.write(text.slice(9) + '\\n'), 20);`,
  );
  assert.equal(await (await openSession1(t, path)).get(KEY, free), 'ab');
});

test('what a plugin answered before it ended counts, also when that comes after its end', async (t) => {
  const { path } = await scripted(
    t,
    `spawn('sh', ['-c', 'sleep 0.1; echo \\'' + JSON.stringify({ id, success: true, value: 'abcd' }) + '\\''], { stdio: 'inherit' });
     process.exit(0);`,
    { session: true },
    `const { spawn } = await import('node:child_process');`,
  );
  const store = await openSession1(t, path);
  assert.equal(await store.get(KEY, free), 'abcd');
});

test('F34 stderr is read to its end, shown in one short line, and without records', async (t) => {
  const { path } = await scripted(
    t,
    `process.stderr.write('token ${VALUE}\\n' + 'y'.repeat(200000) + '\\n', () => { if (count > 1) { process.stderr.write('bad luck ${VALUE}\\n', () => process.exit(3)); } else answer({ value: 'ab' }); });`,
  );
  const logger = createMemoryLogger();
  const store = await openSession1(t, path, logger);
  assert.equal(await store.get(KEY, free), 'ab');
  const error = await failure(store.get(KEY, free));
  assert.match(error.message, /exited with status 3: bad luck \[hex\]/);
  assert.match(logger.text(), /a plugin wrote to stderr.*token \[hex\]/);
  assert.ok(!logger.text().includes(VALUE.slice(0, 32)));
  for (const line of logger.lines) assert.ok(JSON.stringify(line).length < 600);
});

test('F31 a session that answers nothing for a whole time limit is ended with its group, and started again', async (t) => {
  const { path, folder } = await scripted(
    t,
    `if (starts === 1) spawn('sleep', ['${nap(31)}'], { stdio: 'inherit' }); else answer({ value: 'ab' });`,
    { session: true },
    `const { spawn } = await import('node:child_process'); process.on('SIGTERM', () => {});`,
  );
  const store = await openSession1(t, path);
  await store.describe?.(free);
  const limited = async () => {
    using limit = clock.deadline(2000);
    return await store.get(KEY, limit);
  };
  assert.equal((await failure(limited())).code, 'ERR_DEADLINE');
  await until(async () => (await store.get(KEY, free).catch(() => '')) === 'ab');
  if (linux) await gone(nap(31));
  assert.equal((await pids(folder)).length, 2);
  if (linux) assert.deepEqual(await zombies(), []);
});

test('a call that its caller gave up is forgotten, and its late answer goes nowhere', async (t) => {
  const { path, folder } = await scripted(
    t,
    `appendFileSync(folder + '/asked', 'x'); if (count === 1) setTimeout(() => answer({ value: 'aa' }), 50); else setTimeout(() => answer({ value: 'bb' }), 100);`,
  );
  const store = await openSession1(t, path);
  await store.describe?.(free);
  const given = new AbortController();
  const first = store.get(KEY, given);
  await until(async () => (await readdir(folder)).includes('asked'));
  given.abort(new Error('enough'));
  await assert.rejects(first, /enough/);
  assert.equal(await store.get(key(2), free), 'bb');
  assert.equal((await pids(folder)).length, 1);
});
