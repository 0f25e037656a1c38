import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { parsePublicKey, SecretKey } from '#src/api/index.js';
import { deviceMissing, toolMissing } from '#src/wireguard/errors.js';
import { wordsOf } from '#src/wireguard/platform.js';
import { formatSet } from '#src/wireguard/wg-tool.js';

test('F39 a missing wg is told with the line that installs it on this system, and no other', () => {
  const lines = {
    linux: ['apt install wireguard-tools', 'apk add wireguard-tools', 'dnf install wireguard-tools'],
    freebsd: ['pkg install wireguard-tools'],
    darwin: ['brew install wireguard-tools'],
  } as const;
  const all = Object.values(lines).flat();
  for (const [platform, own] of Object.entries(lines)) {
    const { message } = toolMissing('wg', platform as NodeJS.Platform);
    for (const line of all)
      assert.equal(message.includes(line), (own as readonly string[]).includes(line), `${platform}: ${line}`);
  }
  assert.match(toolMissing('wg', 'openbsd').message, /wireguard-tools, by your system's package manager/);
});

test('F39 a missing device is told with what brings it up on this system', () => {
  assert.match(deviceMissing('wg0', undefined, 'linux').message, /network namespace.*ip link add wg0 type wireguard/);
  assert.match(deviceMissing('wg0', undefined, 'freebsd').message, /in this jail.*ifconfig wg create name wg0/);
  assert.match(deviceMissing('wg0', undefined, 'freebsd').message, /FreeBSD 13 needs pkg install wireguard-kmod/);
  assert.match(deviceMissing('home', undefined, 'darwin').message, /on this Mac.*wg-quick up home/);
  assert.match(deviceMissing('wg0', undefined, 'sunos').message, /on this host.*wg-quick up wg0/);
  assert.match(deviceMissing('wg0', 'it is gone', 'freebsd').message, /"wg0": it is gone; bring it up/);
});

test('the words are those of the running system unless another is named', () => {
  assert.equal(wordsOf(), wordsOf(process.platform));
  assert.notEqual(wordsOf('freebsd'), wordsOf('darwin'));
});

test('F18b outside of Linux wg reads a preshared key from /dev/stdin', () => {
  const publicKey = parsePublicKey(randomBytes(32).toString('base64'));
  assert.ok(publicKey);
  const presharedKey = new SecretKey(randomBytes(32));
  for (const platform of ['freebsd', 'darwin'] as const)
    assert.deepEqual(formatSet('wg0', [{ publicKey, presharedKey }], platform), [
      ...['set', 'wg0', 'peer', publicKey, 'preshared-key', '/dev/stdin'],
    ]);
});
