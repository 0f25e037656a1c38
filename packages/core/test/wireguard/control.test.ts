import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  type CallOptions,
  type Endpoint,
  hasCode,
  type PeerWrite,
  parsePublicKey,
  SecretKey,
  StunmeshError,
} from '#src/api/index.js';
import { createFakeClock } from '#src/testing/index.js';
import { createControl } from '#src/wireguard/control.js';
import type { DeviceReading, WireGuardBackend } from '#src/wireguard/reading.js';
import { visible } from './visible.js';

const key = (n: number) => {
  const parsed = parsePublicKey(Buffer.alloc(32, n).toString('base64'));
  assert.ok(parsed);
  return parsed;
};
const PEER = key(3);
const endpoint: Endpoint = { family: 4, address: '192.0.2.1', port: 7 };
const options = { signal: new AbortController().signal };
const presharedKey = new SecretKey(randomBytes(32));

/** A device of one peer in memory; `around` may fail a write, or do part of it. */
function open(around?: (apply: (w: readonly PeerWrite[]) => void, w: readonly PeerWrite[], o: CallOptions) => void) {
  let reading: DeviceReading = {
    device: {
      name: 'wg0',
      realName: 'wg0',
      publicKey: key(2),
      secretKey: new SecretKey(randomBytes(32)),
      listenPort: 1,
      firewallMark: 0,
      peers: new Map([
        [PEER, { publicKey: PEER, allowedIps: ['10.0.0.1/32', '::/0'], rxBytes: 5, txBytes: 5, keepaliveSeconds: 9 }],
      ]),
    },
    presharedKeys: new Map([[PEER, presharedKey]]),
  };
  const writes: (readonly PeerWrite[])[] = [];
  const apply = (list: readonly PeerWrite[]) => {
    const peers = new Map(reading.device.peers);
    const keys = new Map(reading.presharedKeys);
    for (const w of list) {
      const before = peers.get(w.publicKey);
      if (w.remove) {
        peers.delete(w.publicKey);
        keys.delete(w.publicKey);
        continue;
      }
      if (!before && w.updateOnly) continue;
      const start = before ?? { publicKey: w.publicKey, allowedIps: [], rxBytes: 0, txBytes: 0, keepaliveSeconds: 0 };
      peers.set(w.publicKey, {
        ...start,
        ...(w.endpoint && { endpoint: w.endpoint }),
        allowedIps: w.allowedIps ?? start.allowedIps,
        keepaliveSeconds: w.keepaliveSeconds ?? start.keepaliveSeconds,
      });
      if (w.presharedKey) keys.set(w.publicKey, w.presharedKey);
    }
    reading = { device: { ...reading.device, peers }, presharedKeys: keys };
  };
  const backend: WireGuardBackend = {
    list: async () => ['wg0'],
    read: async (_, { signal }) => {
      signal.throwIfAborted();
      return reading;
    },
    write: async (_, list, o) => {
      o.signal.throwIfAborted();
      writes.push(list);
      if (around) around(apply, list, o);
      else apply(list);
    },
  };
  const asked: string[] = [];
  const realName = async (name: string) => {
    asked.push(name);
    return name;
  };
  const control = createControl({ backend, clock: createFakeClock(), realName });
  return { control, asked, writes, now: () => reading };
}

test('F17 endpoints of absent peers are not written, and those of present ones with update-only', async () => {
  const { control, writes } = open();
  const set = await control.setPeerEndpoints(
    'wg0',
    new Map([
      [key(8), endpoint],
      [PEER, endpoint],
    ]),
    options,
  );
  assert.deepEqual([...set], [PEER]);
  assert.deepEqual(writes, [[{ publicKey: PEER, updateOnly: true, endpoint }]]);
  await control.setPeerEndpoints('wg0', new Map([[key(8), endpoint]]), options);
  assert.equal(writes.length, 1, 'nothing to write, no write');
});

test('F18b a peer is renewed by ONE write that removes it and adds it with all that it had', async () => {
  const { control, writes, now } = open();
  await control.renewPeer('wg0', PEER, endpoint, options);
  assert.deepEqual(writes, [
    [
      { publicKey: PEER, remove: true },
      { publicKey: PEER, presharedKey, endpoint, keepaliveSeconds: 9, allowedIps: ['10.0.0.1/32', '::/0'] },
    ],
  ]);
  assert.deepEqual(now().device.peers.get(PEER)?.endpoint, endpoint);
});

test('F18b a peer that a renewal lost is put back from the reading before, and the caller is told', async () => {
  let failed = false;
  const { control, now } = open((apply, list) => {
    if (failed) return apply(list);
    failed = true;
    apply(list.slice(0, 1));
    throw new StunmeshError('ERR_WG_FAILED', 'half of it');
  });
  await assert.rejects(control.renewPeer('wg0', PEER, endpoint, options), (e: unknown) => hasCode(e, 'ERR_WG_FAILED'));
  const peer = now().device.peers.get(PEER);
  assert.deepEqual(peer?.allowedIps, ['10.0.0.1/32', '::/0']);
  assert.equal(peer?.keepaliveSeconds, 9);
  assert.equal(now().presharedKeys.get(PEER), presharedKey);
});

test('F18b a peer that came back without its preshared key is put back whole', async () => {
  let first = true;
  const { control, now } = open((apply, list) => {
    apply(first ? list.map(({ presharedKey: _, ...rest }) => rest) : list);
    first = false;
  });
  await assert.rejects(control.renewPeer('wg0', PEER, endpoint, options), (e: unknown) => hasCode(e, 'ERR_WG_FAILED'));
  assert.ok(now().presharedKeys.get(PEER)?.equals(presharedKey));
});

test('F18b a renewal that has begun ends whole although the caller gave up in the middle', async () => {
  const caller = new AbortController();
  let writes = 0;
  const { control, now } = open((apply, list, { signal }) => {
    writes += 1;
    if (writes === 1) {
      apply(list.slice(0, 1));
      caller.abort(new Error('enough'));
      throw new StunmeshError('ERR_WG_FAILED', 'half of it');
    }
    signal.throwIfAborted();
    apply(list);
  });
  await assert.rejects(control.renewPeer('wg0', PEER, endpoint, caller));
  assert.ok(now().device.peers.has(PEER));
});

test('F18b a write that was refused before it changed anything gives its own error', async () => {
  const { control, writes } = open(() => {
    throw new StunmeshError('ERR_WG_PERMISSION', 'no');
  });
  await assert.rejects(control.renewPeer('wg0', PEER, endpoint, options), (e: unknown) =>
    hasCode(e, 'ERR_WG_PERMISSION'),
  );
  assert.equal(writes.length, 1, 'nothing to restore, nothing written');
});

test('F18b a peer that cannot be put back is named, its preshared key is not (F34)', async () => {
  let failed = false;
  const { control, writes } = open((apply, list) => {
    if (!failed) apply(list.slice(0, 1));
    failed = true;
    throw new StunmeshError('ERR_WG_FAILED', 'no');
  });
  const error = await control.renewPeer('wg0', PEER, endpoint, options).catch((e: unknown) => e);
  assert.ok(hasCode(error, 'ERR_WG_FAILED'));
  assert.match(String(error), new RegExp(`${PEER} could not be put back`));
  assert.equal(visible(error).includes(Buffer.from(presharedKey.expose()).toString('base64')), false);
  assert.equal(writes.length, 4, 'three attempts to put it back');
});

test('names that are a path, an option or too long are refused before any I/O', async () => {
  const { control, asked } = open();
  for (const name of ['', '..', '../wg0', '-h', 'a b', 'a:1', 'abcdefghijklmnop', 'wg\n0', 'wg\0'])
    await assert.rejects(control.device(name, options), (error: unknown) => {
      assert.ok(hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND'), name);
      return (error as StunmeshError).retry === 'never';
    });
  assert.deepEqual(asked, [], 'no file of such a name was looked for');
  for (const name of ['wg0', 'utun12', 'tun_wg0', 'wg-home_1.2', 'abcdefghijklmno'])
    await control.device(name, options);
});

test('a keepalive that WireGuard cannot have is ERR_USAGE', async () => {
  const { control, writes } = open();
  for (const seconds of [-1, 1.5, 65536, Number.NaN])
    await assert.rejects(control.setPeerKeepalive('wg0', PEER, seconds, options), (e: unknown) =>
      hasCode(e, 'ERR_USAGE'),
    );
  await control.setPeerKeepalive('wg0', PEER, 0, options);
  assert.deepEqual(writes, [[{ publicKey: PEER, updateOnly: true, keepaliveSeconds: 0 }]]);
});
