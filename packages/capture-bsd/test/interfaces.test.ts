import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import { chooseUnderlay, listInterfaces, missingError } from '#src/interfaces.js';
import { createFakeNative, type FakeInterface, IFT } from './fake-native.js';

const folder = mkdtempSync(path.join(tmpdir(), 'stunmesh-wireguard-'));
after(() => rmSync(folder, { recursive: true }));

/** A firewall: two ways out, a network inside, tunnels of all kinds. */
const FIREWALL: readonly FakeInterface[] = [
  { name: 'em0', addresses: ['192.0.2.1', 'fe80::1'] },
  { name: 'em1', up: false },
  { name: 'em2.10', addresses: ['10.0.0.1'] },
  { name: 'lo0', type: IFT.loop, addresses: ['127.0.0.1', '::1'] },
  { name: 'enc0' },
  { name: 'pflog0' },
  { name: 'ng0', type: IFT.ppp, addresses: ['203.0.113.9'] },
  { name: 'tun0', type: IFT.tunnel },
  { name: 'ue0' },
  { name: 'wg0' },
  { name: 'office', groups: ['all', 'wg'] },
  { name: 'wg1', groups: ['wg'] },
];

const list = (interfaces = FIREWALL) => {
  const native = createFakeNative();
  native.setInterfaces(interfaces);
  return listInterfaces(native, folder);
};
const choose = (choice: Partial<Parameters<typeof chooseUnderlay>[1]> = {}, from = list()) =>
  chooseUnderlay(from, { excludeDevice: 'wg0', named: [], ...choice });

test('F10 listened to is what is up, but loopback and WireGuard; PPPoE, tun and LTE stay', () => {
  assert.deepEqual(choose(), { names: ['em0', 'em2.10', 'ng0', 'tun0', 'ue0'], missing: [] });
  assert.deepEqual(choose({ excludeDevice: 'tun0' }).names, ['em0', 'em2.10', 'ng0', 'ue0']);
});

test('F10 devices of userspace WireGuard are known by their sockets and by the name files of wg-quick', () => {
  for (const [file, text] of [
    ['utun3.sock', ''],
    ['home.name', 'utun5\n'],
    ['unrelated.txt', 'utun7'],
  ] as const)
    writeFileSync(path.join(folder, file), text);
  const interfaces = ['en0', 'utun3', 'utun5', 'utun7'].map((name) => ({ name }));
  assert.deepEqual(choose({}, list(interfaces)).names, ['en0', 'utun7']);
  assert.deepEqual(
    listInterfaces(createFakeNative(), path.join(folder, 'none')),
    [],
    'a folder that is not there says nothing',
  );
});

test('names and default routes make a union; what is down is left out for now', () => {
  assert.deepEqual(choose({ named: ['em2.10', 'em1'] }), { names: ['em2.10'], missing: [] });
  assert.deepEqual(choose({ byDefaultRoute: ['ng0'] }).names, ['ng0']);
  assert.deepEqual(choose({ named: ['em0'], byDefaultRoute: ['ng0'] }).names, ['em0', 'ng0']);
  assert.deepEqual(choose({ named: ['em0'], byDefaultRoute: ['wg0'] }).names, ['em0']);
  assert.deepEqual(choose({ named: ['enc0'] }).names, ['enc0'], 'a log, but named');
  assert.deepEqual(choose({ named: ['em1'] }).names, [], 'and not all the others in its place');
});

test('where the default routes leave by the tunnel, or there are none, every interface is listened to', () => {
  assert.deepEqual(choose({ byDefaultRoute: ['wg0'] }).names, choose().names);
  assert.deepEqual(choose({ byDefaultRoute: [] }).names, choose().names);
});

test('names that no interface has are said, with those that there are', () => {
  const { missing } = choose({ named: ['em0', 'em9', 'igb0'] });
  assert.deepEqual(missing, ['em9', 'igb0']);
  const error = missingError(missing, list());
  assert.ok(hasCode(error, 'ERR_CAPTURE_INTERFACE'));
  assert.match(
    error.message,
    /em9, igb0 are no interfaces of this host; there are em0, em1, em2\.10, enc0, pflog0, ng0, tun0, ue0$/,
  );
  assert.match(missingError(['x'], []).message, /x is no interface of this host; there are none/);
});

test('addresses are canonical, without the interface that KAME puts into link-local ones', () => {
  const native = createFakeNative();
  native.setInterfaces([{ name: 'em0', addresses: ['192.0.2.1', 'fe80:3::1'] }]);
  assert.deepEqual(listInterfaces(native, folder)[0]?.addresses, [
    { family: 4, address: '192.0.2.1', prefixLength: 32 },
    { family: 6, address: 'fe80::1', prefixLength: 128 },
  ]);
});
