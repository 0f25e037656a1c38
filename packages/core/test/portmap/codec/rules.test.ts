/** The rules about ports, addresses and epochs that are pure. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { parsePublicKey, publicKeyBytes } from '#src/api/index.js';
import { epochBroke } from '#src/portmap/codec/epoch.js';
import { externalAddressKind } from '#src/portmap/codec/external-address.js';
import { chooseExternalPort, refusedExternalPort } from '#src/portmap/codec/external-port.js';

const KEY = parsePublicKey('xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=') ?? assert.fail();

test('F51 the external port follows from the public key, and is neither the listen nor the reflexive port', () => {
  const hash = createHash('sha256')
    .update(Buffer.concat([Buffer.from('stunmesh port 1\0'), publicKeyBytes(KEY)]))
    .digest();
  const first = 20_000 + (hash.readUInt32BE(0) % 40_000);
  assert.equal(chooseExternalPort(KEY, []), first);
  assert.equal(chooseExternalPort(KEY, [51820, first]), first + 1);
  assert.equal(chooseExternalPort(KEY, [first + 1, first]), first + 2);
  const others = [1, 2, 3].map((attempt) => chooseExternalPort(KEY, [], attempt));
  assert.equal(new Set([first, ...others]).size, 4);
  assert.ok(others.every((port) => port >= 20_000 && port < 60_000));
});

test('F51 a router that gives the listen port, the reflexive one, or a low one gave none', () => {
  assert.equal(refusedExternalPort(20_001, [51820, 1024]), undefined);
  for (const port of [0, 1, 1023, 51820, 65_536])
    assert.notEqual(refusedExternalPort(port, [51820]), undefined, `${port}`);
});

test('F50 private, loopback and empty external addresses are told from public ones', () => {
  const kinds = (texts: readonly string[]) => texts.map(externalAddressKind);
  assert.deepEqual(kinds(['203.0.113.1', '100.63.0.1', '2001:db8::1']), ['public', 'public', 'public']);
  const inside = [
    '10.0.0.1',
    '100.64.0.1',
    '192.168.1.1',
    '172.31.0.1',
    '169.254.0.1',
    '192.0.0.1',
    '240.0.0.1',
    'fd00::1',
    'fe80::1',
  ];
  for (const text of inside) assert.equal(externalAddressKind(text), 'private', text);
  for (const text of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', '', 'x'])
    assert.equal(externalAddressKind(text), 'unusable', text);
});

test('F53 an epoch that fell, stands still or jumps tells a router that forgot; one that runs a little slow does not', () => {
  const at = (seconds: number, ms: number) => ({ seconds, at: ms });
  const broke = (before: number, now: number, ms: number) => epochBroke(at(before, 0), at(now, ms));
  assert.equal(broke(1000, 1060, 60_000), false);
  assert.equal(broke(1000, 1055, 60_000), false);
  assert.equal(broke(1000, 1066, 60_000), false);
  assert.equal(broke(1000, 999, 0), false);
  assert.equal(broke(1000, 5, 60_000), true);
  assert.equal(broke(1000, 1000, 60_000), true);
  assert.equal(broke(10, 50, 60_000), true);
  assert.equal(broke(1000, 5000, 60_000), true);
  assert.equal(broke(1000, 4600, 3_600_000), false);
});
