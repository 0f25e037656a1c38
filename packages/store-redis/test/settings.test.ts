import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseDuration } from '@stunmesh/core/api';
import type { RedisStoreConfig } from '#src/config-schema.js';
import redisStore from '#src/index.js';
import { readLogin } from '#src/secrets.js';
import { parseSettings } from '#src/settings.js';
import { failing } from './lab/store.js';

const URL_ONLY = { url: 'redis://r.example:7000' };

test('defaults: database 0, prefix stunmesh:, for ever', () => {
  assert.deepEqual(parseSettings(URL_ONLY, {}), {
    target: { kind: 'single', address: { host: 'r.example', port: 7000 } },
    credentials: {},
    db: 0,
    prefix: 'stunmesh:',
    place: 'r.example:7000',
  });
  assert.deepEqual(redisStore.traits(URL_ONLY), { maxValueBytes: 65_536, minPollMs: 500 });
});

test('F12 a ttl is told to the host, which rewrites in time', () => {
  assert.equal(redisStore.traits({ ...URL_ONLY, ttl: '1h30m' }).expiresAfterMs, 5_400_000);
  assert.equal(parseSettings({ ...URL_ONLY, ttl: '90s' }, {}).ttlMs, 90_000);
  for (const ttl of ['90', '999ms', '-1h', '1d', '0s', 'soon', '']) {
    assert.throws(() => redisStore.traits({ ...URL_ONLY, ttl }), failing('ERR_CONFIG_INVALID', 'ttl', '1s'), ttl);
  }
});

test('durations', () => {
  for (const [text, ms] of [
    ['250ms', 250],
    ['1.5h', 5_400_000],
    ['1m30s', 90_000],
    ['+2s', 2_000],
    ['.5s', 500],
  ] as const) {
    assert.equal(parseDuration(text), ms, text);
  }
  for (const text of ['5', 's', '1 s', '1S', '5 minutes']) assert.equal(parseDuration(text), undefined, text);
});

test('sentinels and cluster', () => {
  const sentinel = parseSettings(
    { sentinels: { name: 'mesh', nodes: ['a', 'b:1'], password: 'p' }, password: 'q', tls: true, ca: '/ca.pem', db: 2 },
    {},
  );
  assert.deepEqual(sentinel.target, {
    kind: 'sentinel',
    name: 'mesh',
    nodes: [
      { host: 'a', port: 26_379 },
      { host: 'b', port: 1 },
    ],
    credentials: { password: { text: 'p' } },
  });
  assert.deepEqual(
    [sentinel.credentials, sentinel.tls, sentinel.db],
    [{ password: { text: 'q' } }, { ca: '/ca.pem' }, 2],
  );
  const cluster = parseSettings({ cluster: ['a', 'b:1'] }, {});
  assert.equal(cluster.place, 'a:6379, b:1');
});

test('F34 secrets come from the url, the configuration, a file, the environment, or a credential folder', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'store-redis-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'pw'), 'from a file\n');
  const login = async (config: RedisStoreConfig, env: Record<string, string> = {}) =>
    readLogin(parseSettings(config, env).credentials);
  assert.deepEqual(await login({ url: 'redis://u:p@h' }), { username: 'u', password: 'p' });
  assert.deepEqual(await login({ ...URL_ONLY, username: 'u', password: 'p' }), { username: 'u', password: 'p' });
  assert.deepEqual(await login({ url: 'redis://u@h', password: 'p' }), { username: 'u', password: 'p' });
  assert.deepEqual(await login({ ...URL_ONLY, password_file: join(folder, 'pw') }), { password: 'from a file' });
  assert.deepEqual(await login({ ...URL_ONLY, password_file: 'pw' }, { CREDENTIALS_DIRECTORY: folder }), {
    password: 'from a file',
  });
  assert.deepEqual(await login({ ...URL_ONLY, password_env: 'PW' }, { PW: 'from outside' }), {
    password: 'from outside',
  });
  await assert.rejects(
    login({ ...URL_ONLY, password_file: '/nowhere/pw' }),
    failing('ERR_STORE_DENIED', '/nowhere/pw', 'ENOENT'),
  );
  await writeFile(join(folder, 'pw'), '\n');
  await assert.rejects(login({ ...URL_ONLY, password_file: join(folder, 'pw') }), failing('ERR_STORE_DENIED', 'empty'));
});

test('F76 a password file that is a pipe without a writer is named at once', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'store-redis-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const pipe = join(folder, 'pw');
  execFileSync('mkfifo', [pipe]);
  for (const file of [pipe, '/dev/zero'])
    await assert.rejects(
      readLogin(parseSettings({ ...URL_ONLY, password_file: file }, {}).credentials),
      failing('ERR_STORE_DENIED', file, 'no regular file'),
    );
});

test('F40 contradictions are refused, with the key that is wrong', () => {
  for (const [config, key] of [
    [{}, 'url'],
    [{ ...URL_ONLY, cluster: ['a'] }, 'url'],
    [{ url: 'redis://h/1', db: 2 }, 'db'],
    [{ cluster: ['a'], db: 1 }, 'db'],
    [{ url: 'redis://h', tls: true }, 'tls'],
    [{ url: 'redis://h', ca: '/ca.pem' }, 'ca'],
    [{ cluster: ['h'], servername: 'x' }, 'servername'],
    [{ url: 'rediss://h', cert: '/c.pem' }, 'cert'],
    [{ url: 'rediss://h', ca: 'ca.pem' }, 'ca'],
    [{ ...URL_ONLY, username: 'u' }, 'username'],
    [{ url: 'redis://:p@h', password: 'q' }, 'password'],
    [{ ...URL_ONLY, password: 'p', password_env: 'P' }, 'password'],
    [{ ...URL_ONLY, password_file: 'pw' }, 'password_file'],
    [{ ...URL_ONLY, password_env: 'P' }, 'password_env'],
    [{ ...URL_ONLY, prefix: 'a b' }, 'prefix'],
    [{ ...URL_ONLY, prefix: 'a*' }, 'prefix'],
    [{ sentinels: { name: 'm', nodes: ['redis://a'] } }, 'sentinels.nodes[0]'],
    [{ sentinels: { name: 'm', nodes: ['a'], username: 'u' } }, 'sentinels.username'],
  ] as readonly (readonly [RedisStoreConfig, string])[]) {
    assert.throws(() => parseSettings(config, {}), failing('ERR_CONFIG_INVALID', key), JSON.stringify(config));
  }
});
