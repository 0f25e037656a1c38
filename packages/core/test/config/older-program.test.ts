/** A file of the older Go program works as it is, and its places are named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '#src/config/index.js';
import { DEFAULTS } from './defaults.js';
import { fixturePath, KEY_A, KEY_B, readFixture } from './fixtures.js';

test('a file of the older Go program works as it is: every key, any letter case, weak types', async () => {
  const { config } = await loadConfig({ file: fixturePath('older-program.yaml'), env: {}, cwd: '/' });
  assert.deepEqual(config, {
    ...DEFAULTS,
    file: fixturePath('older-program.yaml'),
    refreshIntervalMs: 300_000,
    log: { level: 'debug', format: 'json' },
    stun: { addresses: ['stun.example.org:3478', 'stun.example.net:3478', '192.0.2.7:3478'] },
    pingMonitor: { intervalMs: 1_500, timeoutMs: 500, fixedRetries: 7 },
    interfaces: new Map([
      [
        'wg0',
        {
          name: 'wg0',
          protocol: 'dualstack',
          listenInterfaces: ['em0', 'em1'],
          listenDefaultRoute: true,
          lan: true,
          advertise: [],
          checkListen: 'always',
          upgrade: true,
          portMapping: [],
          hardNat: 'predicted',
          fib: 2,
          peers: new Map([
            [
              'Alice',
              {
                name: 'Alice',
                publicKey: KEY_A,
                plugins: ['CF'],
                protocol: 'prefer_ipv6',
                description: '0123',
                ping: { enabled: true, target: '10.0.0.2', intervalMs: 2_000, timeoutMs: 250 },
              },
            ],
            [
              'bob',
              {
                name: 'bob',
                publicKey: KEY_B,
                plugins: ['script'],
                protocol: 'ipv4',
                ping: { enabled: false, intervalMs: 1_500, timeoutMs: 500 },
              },
            ],
          ]),
        },
      ],
    ]),
    plugins: new Map([
      [
        'CF',
        {
          name: 'CF',
          type: 'builtin',
          module: 'cloudflare',
          timeoutMs: 10_000,
          settings: { zone: 'example.com', token: '0123456789012345678901', subdomain: 'wg' },
        },
      ],
      [
        'script',
        {
          name: 'script',
          type: 'shell',
          timeoutMs: 10_000,
          settings: { command: '/usr/local/bin/store.sh', args: ['--bucket', '7', 'true'], env: {}, env_clear: false },
        },
      ],
      [
        'program',
        {
          name: 'program',
          type: 'exec',
          timeoutMs: 10_000,
          settings: { command: '/usr/local/bin/store', env: {}, env_clear: false },
        },
      ],
    ]),
  });
});

test('explain names file, line, column and path, and the nearest place for what is not there', async () => {
  const { explain } = await loadConfig({ file: fixturePath('older-program.yaml'), env: {}, cwd: '/' });
  const file = fixturePath('older-program.yaml');
  assert.equal(explain(['plugins', 'CF', 'zone']), `${file}:42:11: plugins.CF.zone`);
  assert.equal(explain(['plugins', 'CF', 'ttl']), `${file}:38:3: plugins.CF.ttl`);
  assert.equal(explain(['plugins', 'CF']), `${file}:38:3: plugins.CF`);
  assert.equal(explain(['plugins', 'script', 'args', 1]), `${file}:48:24: plugins.script.args[1]`);
  assert.equal(explain(['stun', 'addresses', 1]), `${file}:8:14: stun.addresses[1]`);
  assert.equal(explain(['nothing', 'a b']), `${file}:2:1: nothing["a b"]`);
});

test('the fixture of the older program has every key that program knows', async () => {
  const text = (await readFixture('older-program.yaml')).toLowerCase();
  for (const key of 'refresh_interval level format address addresses interval timeout fixed_retries protocol enabled listen fib listen_interfaces listen_default_route public_key plugin description target type dedup command args name zone token subdomain'.split(
    ' ',
  ))
    assert.match(text, new RegExp(`\\b${key}:`), key);
});
