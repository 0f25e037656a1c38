/** What a plugin is given, and what of it may be seen: arguments, environment, temporary files, errors and logs. */
import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMemoryLogger } from '@stunmesh/core/testing';
import execStore from '#src/index.js';
import { clock, failure, free, KEY, open, plugin, scratch, script, VALUE } from './fixture.js';

const linux = process.platform === 'linux';

test('F34 neither the record nor a key in what a plugin prints reaches an error or a log; nor argv or the environment', async (t) => {
  const logger = createMemoryLogger();
  const leak =
    '. /dev/stdin\ncat /proc/$$/cmdline /proc/$$/environ >&3\necho "token $STUNMESH_VALUE" >&2\necho "$STUNMESH_VALUE"\n';
  const seen = join(await scratch(t), 'seen');
  for (const end of ['exit 0', 'exit 1']) {
    const store = await plugin(t, 'shell', `exec 3>${seen}\n${leak}${end}`, logger);
    const result = await store.set(KEY, VALUE, free).then(
      () => undefined,
      (error: unknown) => error,
    );
    assert.equal(result === undefined, end === 'exit 0');
    assert.ok(!`${String(result)} ${JSON.stringify(result)}`.includes(VALUE.slice(0, 64)));
    if (linux) assert.ok(!(await readFile(seen, 'latin1')).includes(VALUE));
  }
  const exec = await plugin(
    t,
    'exec',
    `printf '{"success":false,"error":"cannot put ${VALUE}\\\\n%s"}' "$(head -c 3000 /dev/zero | tr '\\0' x)"`,
    logger,
  );
  const error = await failure(exec.set(KEY, VALUE, free));
  assert.match(error.message, /cannot put \[hex\] x+…$/);
  assert.ok(error.message.length < 400);
  assert.match(logger.text(), /token \[hex\]/);
  assert.ok(!logger.text().includes(VALUE.slice(0, 64)));
});

test('F34 input waits in a private folder without a name, and nothing is left when the store closes', async (t) => {
  const folder = await scratch(t);
  const before = process.env['TMPDIR'];
  const store = await plugin(t, 'shell', 'stat -L -c "%a0%h" /dev/stdin');
  process.env['TMPDIR'] = folder;
  try {
    assert.deepEqual(await readdir(folder), [], 'opening made something (F32)');
    const seen = await store.get(KEY, free);
    if (linux) assert.equal(seen, '60000');
    const [made, ...more] = await readdir(folder);
    assert.ok(made !== undefined && more.length === 0);
    assert.equal((await stat(join(folder, made))).mode & 0o777, 0o700);
    await store[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(folder), []);
  } finally {
    if (before === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = before;
  }
});

test('F37 keys and values that are not plain hexadecimal start no child', async (t) => {
  const mark = join(await scratch(t), 'mark');
  for (const type of ['exec', 'shell'] as const) {
    const store = await plugin(t, type, `echo x >${mark}`);
    for (const key of ['', 'A'.repeat(40), 'a'.repeat(39), `${KEY}\n`, `$(touch ${mark})`, `${'a'.repeat(38)};x`])
      assert.equal((await failure(store.get(key, free))).code, 'ERR_STORE_INPUT');
    for (const value of ['', `ab\ntouch ${mark}`, '`id`', "'", 'zz'])
      assert.equal((await failure(store.set(KEY, value, free))).code, 'ERR_STORE_INPUT');
  }
  await assert.rejects(stat(mark), { code: 'ENOENT' });
});

test('the environment: inherited but for NODE_*, LD_* and NOTIFY_SOCKET, or empty; env adds and decides PATH', async (t) => {
  const names = 'env | sed "s/=.*//" | tr "\\n" "/"';
  const folder = await scratch(t);
  await writeFile(join(folder, 'lister'), `#!/bin/sh\n${names}\n`, { mode: 0o755 });
  Object.assign(process.env, { NODE_DEBUG: '', LD_BIND_NOW: '1', NOTIFY_SOCKET: '/x', STUNMESH_TEST_INHERITED: '1' });
  try {
    const { PATH = '' } = process.env;
    const listed = async (more: object) => {
      const store = await open(t, { type: 'shell', command: 'lister', ...more });
      return ((await store.get(KEY, free)) ?? '').split('/');
    };
    const inherited = await listed({ env: { PATH: `${folder}:${PATH}`, EXTRA: 'a b' } });
    for (const name of ['STUNMESH_TEST_INHERITED', 'EXTRA', 'PATH']) assert.ok(inherited.includes(name), name);
    for (const name of ['NODE_DEBUG', 'LD_BIND_NOW', 'NOTIFY_SOCKET', 'STUNMESH_KEY'])
      assert.ok(!inherited.includes(name), name);
    const cleared = await listed({ env_clear: true, env: { PATH: `${folder}:${PATH}`, EXTRA: '1' } });
    assert.ok(!cleared.includes('STUNMESH_TEST_INHERITED') && !cleared.includes('HOME'), String(cleared));
    assert.ok(cleared.includes('EXTRA'));
  } finally {
    for (const name of ['NODE_DEBUG', 'LD_BIND_NOW', 'NOTIFY_SOCKET', 'STUNMESH_TEST_INHERITED'])
      delete process.env[name];
  }
});

test('F34 variables that other stores take their secrets from are withheld, from sessions and single calls', async (t) => {
  process.env['STUNMESH_TRY_SECRET'] = 'hunter22';
  process.env['STUNMESH_TRY_OTHER'] = 'x';
  try {
    const components = { clock, logger: createMemoryLogger(), secretVariables: ['STUNMESH_TRY_SECRET'] };
    const list = 'env | sed -n "s/^STUNMESH_TRY_\\([A-Z]*\\)=.*/\\1/p" | sort | tr "\\n" /';
    const command = await script(t, `#!/bin/sh\n${list}\n`);
    const seen = async (more: object) => {
      const store = await execStore.open({ type: 'shell', command, ...more }, components);
      t.after(() => store[Symbol.asyncDispose]());
      return store.get(KEY, free);
    };
    assert.equal(await seen({}), 'OTHER/');
    assert.equal(await seen({ env: { STUNMESH_TRY_SECRET: 'given' } }), 'OTHER/SECRET/');
    assert.equal(await seen({ env_clear: true, env: { PATH: process.env['PATH'] ?? '' } }), undefined);
    const probe = execStore.probe({ type: 'exec', command }, components);
    assert.equal((await probe.run('', free.signal)).stdout.trim(), 'OTHER/');
    await probe[Symbol.asyncDispose]();
  } finally {
    delete process.env['STUNMESH_TRY_SECRET'];
    delete process.env['STUNMESH_TRY_OTHER'];
  }
});

test('F34 what a child prints of the secrets in its own environment reaches no error and no log', async (t) => {
  const logger = createMemoryLogger();
  const env = { ACME_TOKEN: 'hunter22', PATH: process.env['PATH'] ?? '' };
  const command = await script(
    t,
    `#!/bin/sh\necho "401 for $ACME_TOKEN" >&2\necho '{"success":false,"error":"refused '$ACME_TOKEN'"}'\n`,
  );
  for (const more of [{}, { protocol: 1 as const }]) {
    const store = await execStore.open({ type: 'exec', command, env, ...more }, { clock, logger });
    const { message } = await failure(store.get(KEY, free));
    assert.doesNotMatch(message, /hunter22/);
    await store[Symbol.asyncDispose]();
  }
  const shell = await execStore.open({ type: 'shell', command, env }, { clock, logger });
  await shell.set(KEY, VALUE, free);
  await shell[Symbol.asyncDispose]();
  assert.match(logger.text(), /401 for \[secret\]/);
  assert.doesNotMatch(logger.text(), /hunter22/);
});
