/** What is said of a whole file: all problems at once, no secret among them, and warnings for what has no effect. */
import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '#src/config/index.js';
import { failure, fixturePath, KEY_A, load, readFixture, temporaryFolder } from './fixtures.js';
import { peer, plugin } from './mistake.js';

test('F40 all problems of a file are told at once, in the order of its lines', async (t) => {
  const cwd = await temporaryFolder(t);
  await copyFile(fixturePath('every-mistake.yaml'), join(cwd, 'every-mistake.yaml'));
  const expected = (await readFixture('every-mistake.txt')).trimEnd();
  const problems = expected.split('\n').length;
  const file = join(cwd, 'every-mistake.yaml');
  await assert.rejects(loadConfig({ file: 'every-mistake.yaml', env: {}, cwd }), {
    code: 'ERR_CONFIG_INVALID',
    retry: 'never',
    message: expected,
    details: { file, problems },
  });
});

test('F34 values of secrets never stand in a message, wherever the mistake is', async (t) => {
  const secret = 'hunter2hunter2';
  for (const text of [
    plugin(`type: exec, command: x, token: ${secret}`),
    plugin(`type: exec, command: x, args: --token=${secret}`),
    plugin(`type: exec, command: x, env: {TOKEN: [${secret}]}`),
    plugin(`type: exec, command: x, env: ${secret}`),
    plugin(`typ: builtin, token: ${secret}`),
    `token: ${secret}`,
    secret,
    peer(`public_key: ${secret}, plugin: p`),
    `plugins:\n  x:\n    token: *${secret}\n`,
    `plugins:\n  x:\n    token: !${secret} b\n    type: nothing`,
    `plugins:\n  x:\n    token: "${secret}\n    y: 1\n`,
    `plugins:\n  x:\n    token: ${secret}: x: y\n`,
    `plugins:\n  x:\n    token: "\\q${secret}"\n`,
    `plugins:\n  x:\n   token: %${secret}\n   y: @${secret}\n`,
  ]) {
    const { code, lines } = await failure(t, text);
    assert.notEqual(code, 'none', text);
    assert.doesNotMatch(lines.join('\n'), /hunter2/, text);
  }
});

test('a file with secrets that everybody may read earns a warning; 0600, or no secret, does not', async (t) => {
  const stun = `stun: {addresses: a.b:1}\ninterfaces: {wg0: {peers: {a: {public_key: ${KEY_A}, plugin: x}}}}\n`;
  const warned = async (settings: string, mode: number) => (await load(t, `${stun}${plugin(settings)}`, mode)).warnings;
  const warning = ['c.yaml: everybody may read this file and it holds secrets; run: chmod 600 c.yaml'];
  for (const settings of [
    'type: builtin, name: cloudflare, Token: abc',
    'type: builtin, name: redis, url: "rediss://u:pw@host:6379"',
    'type: builtin, name: y, auth: {password: 123}',
    'type: exec, command: x, env: {CF_API_TOKEN: abc}',
    'type: exec, command: x, args: ["--api-token=abc"]',
  ]) {
    assert.deepEqual(await warned(settings, 0o644), warning, settings);
    assert.deepEqual(await warned(settings, 0o600), [], settings);
    assert.deepEqual(await warned(settings, 0o640), [], settings);
  }
  for (const settings of [
    'type: builtin, name: y, token_file: /run/token',
    'type: builtin, name: y, token: ""',
    'type: exec, command: x',
  ])
    assert.deepEqual(await warned(settings, 0o644), [], settings);
});

test('keys without effect here earn a warning with their place', async (t) => {
  const text = `refresh_interval: 500ms
stun: {addresses: "127.0.0.1:3478"}
interfaces:
  wg0:
    listen_interfaces: eth0
    listen_default_route: true
    proxy: {listen: 0, fib: 0}
`;
  assert.deepEqual((await load(t, text)).warnings, [
    'c.yaml:2:1: stun: 127.0.0.1:3478 is this host itself',
    'c.yaml:1:1: refresh_interval: less than a second; stores and servers may refuse so many calls',
    'c.yaml:4:3: interfaces.wg0: no peers; there is nothing to do for it',
    "c.yaml:7:13: interfaces.wg0.proxy.listen: no effect: WireGuard's own port is used",
    'c.yaml:7:24: interfaces.wg0.proxy.fib: no effect on this system',
    'c.yaml:5:5: interfaces.wg0.listen_interfaces: no effect on this system',
    'c.yaml:6:5: interfaces.wg0.listen_default_route: no effect on this system',
  ]);
});

test('capture: bsd listens by interface on every system, so the keys for that have their effect', async (t) => {
  const text = `capture: bsd
stun: {addresses: "192.0.2.1:3478"}
interfaces:
  wg0:
    listen_interfaces: eth0
    listen_default_route: true
    peers: {}
`;
  assert.deepEqual((await load(t, text)).warnings, [
    'c.yaml:4:3: interfaces.wg0: no peers; there is nothing to do for it',
  ]);
});
