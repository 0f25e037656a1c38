/** A device that is down, and a key that two hosts have: neither is published over, and both are said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fingerprint } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { codedPlain } from '../record/coded.js';
import { createHarness, farEndpoint, type Harness } from './harness.js';
import { INTERFACES } from './surroundings.js';

const WG0 = {
  name: 'wg0',
  index: 9,
  loopback: false,
  addresses: [{ family: 4, address: '10.99.0.1', prefixLength: 16 }],
} as const;
const link = (h: Harness, up: boolean) => {
  h.capture.setInterfaces([...INTERFACES, { ...WG0, up }]);
  h.capture.change({ kind: 'link', interface: 'wg0' });
};

test('F26 a device that is down at the start is not published, and its peers are not looked for', async () => {
  const h = createHarness();
  link(h, false);
  await h.peer().publish({ ipv4: farEndpoint(0), t: 1_800_000_000 });
  await h.start();
  await h.advance(120_000);
  assert.deepEqual(h.only('discover', 'publish', 'punch', 'set', 'kick', 'renew'), []);
  const shown = h.snapshot().devices[0];
  assert.deepEqual([shown?.state, shown?.errors[0]?.code], ['down', 'ERR_WG_DEVICE_DOWN']);
  assert.equal(h.logger.lines.filter(({ message }) => message === 'the device is down').length, 1);
});

test('F26 a device that goes down and comes up again is taken up within two seconds', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  link(h, false);
  await h.advance(3_000);
  assert.equal(h.snapshot().devices[0]?.state, 'down');
  assert.notEqual(h.entry().phase, 'connected');
  h.forget();
  h.mappings.set(4, '203.0.113.9:41234');
  await h.advance(60_000);
  assert.deepEqual(h.only('discover', 'publish'), []);
  link(h, true);
  await h.advance(2_000);
  assert.equal(h.snapshot().devices[0]?.state, 'up');
  assert.deepEqual(h.snapshot().devices[0]?.errors, []);
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 41_234);
  assert.equal(h.entry().phase, 'connected');
});

/** Another host with our key publishes over our record for peer 0. */
async function overwrite(h: Harness, ipv4: string, ahead: number): Promise<void> {
  const { keys } = h.peer();
  const channel = createChannel(h.own.secretKey, keys.publicKey);
  const t = (h.peer().ourRecord()?.t ?? 0) + ahead;
  const plain = codedPlain({ ipv4 }, { t, n: 3, f: fingerprint(h.own.publicKey) });
  const key = storeKey(h.own.publicKey, keys.publicKey);
  await h.stores.get('main')?.set(key, channel.seal(plain), { signal: new AbortController().signal });
}

test('one key on two hosts: a newer record of ours that we did not write is a fault that names the other host, told once', async () => {
  const h = createHarness({ refreshIntervalMs: 60_000, keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await overwrite(h, '192.0.2.200:51820', 30);
  await h.live(130_000);
  const shown = h.snapshot().devices[0]?.peers[0];
  assert.equal(shown?.lastError?.code, 'ERR_KEY_SHARED');
  assert.match(shown?.lastError?.message ?? '', /192\.0\.2\.200:51820/);
  assert.equal(h.logger.lines.filter(({ message }) => message.includes('who else uses our WireGuard key')).length, 1);
});

test('one key on two hosts: an older record (a store that lags) is none, and one of the very time but elsewhere is', async () => {
  for (const [ahead, code] of [
    [-30, undefined],
    [0, 'ERR_KEY_SHARED'],
  ] as const) {
    const h = createHarness({ refreshIntervalMs: 60_000, keepaliveSeconds: 25 });
    await h.start();
    await h.connect();
    await overwrite(h, '192.0.2.200:51820', ahead);
    await h.live(130_000);
    assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError?.code, code);
  }
});

test('one key on two hosts: the fault ends once our own record stands in its place again', async () => {
  const h = createHarness({ refreshIntervalMs: 60_000, keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await overwrite(h, '192.0.2.200:51820', 30);
  await h.live(70_000);
  assert.equal(h.entry().sharedKeyFault?.code, 'ERR_KEY_SHARED');
  h.mappings.set(4, '203.0.113.9:42222');
  await h.live(200_000);
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 42_222);
  assert.equal(h.entry().sharedKeyFault, undefined);
});
