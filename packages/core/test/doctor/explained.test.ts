/** What explains a tunnel that is not there comes alone, and a NAT of which nothing is told yet is called so. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createHarness, type Harness, lonely, now, ownRecord, PEER4, SERVERS, snapshotOf } from './harness.js';

async function peerTexts(t: TestContext, change: (p: Harness) => void): Promise<readonly string[]> {
  const harness = createHarness(t);
  lonely(harness);
  change(harness);
  const found = (await harness.examine()).filter(({ check }) => check === 'peer');
  return found.map(({ verdict, text }) => `${verdict} ${text}`);
}

function told(p: Harness, t: number, nat?: string): void {
  p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t, ...(nat ? { nat } : {}) });
}

test('a graver fault of the peer, or of what we write, stands without "should connect" beside it', async (t) => {
  const fault = { code: 'ERR_KEY_CHANGED', message: 'our key changed: give the peer the new one', at: now * 1000 };
  const texts = await peerTexts(t, (p) => {
    told(p, now, '4ee');
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting', lastError: fault }));
  });
  assert.match(texts.join('\n'), /fault the daemon says: our key changed/);
  assert.doesNotMatch(texts.join('\n'), /should connect/);
  const writeFault = { code: 'ERR_STORE_DENIED', message: 'read-only', errno: 'EROFS', at: now * 1000, store: 'main' };
  const unwritten = await peerTexts(t, (p) => {
    told(p, now, '4ee');
    p.daemons.set(
      '/run/stunmesh/wg0.sock',
      snapshotOf(p, 1, { phase: 'connecting', lastError: writeFault, writeFault }),
    );
  });
  assert.doesNotMatch(unwritten.join('\n'), /should connect/);
  const alone = await peerTexts(t, (p) => {
    told(p, now, '4ee');
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting' }));
  });
  assert.match(alone.join('\n'), /warning should connect/);
});

test('what cannot connect is said beside other faults all the same', async (t) => {
  const fault = { code: 'ERR_KEY_CHANGED', message: 'our key changed', at: now * 1000 };
  const texts = await peerTexts(t, (p) => {
    SERVERS.forEach((server, i) => {
      p.servers.set(server, `203.0.113.9:${40_000 + i}`);
    });
    p.other = '198.51.100.101:3479';
    for (const [i, port] of [3478, 3479].entries())
      p.servers.set(`198.51.100.101:${port}`, `203.0.113.9:${41_000 + i}`);
    told(p, now, '4pp');
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting', lastError: fault }));
  });
  assert.match(texts.join('\n'), /fault cannot connect/);
});

test('a record of a daemon that has just started tells of no NAT yet, an older one tells of none', async (t) => {
  const young = await peerTexts(t, (p) => told(p, now - 20));
  assert.match(
    young.join('\n'),
    /site-b a NAT that its record does not tell of yet \(it is 2[0-9] s old, and a daemon tells/,
  );
  const old = await peerTexts(t, (p) => told(p, now - 1_000));
  assert.match(old.join('\n'), /site-b a NAT that its record does not tell of[;,]/);
});

test('where the servers cannot tell how our NAT maps this time, what the daemon found out counts', async (t) => {
  const told4 = { mapping: 'endpoint-independent', filtering: 'endpoint-independent', cgnat: false } as const;
  const texts = await peerTexts(t, (p) => {
    for (const server of SERVERS.slice(1)) p.servers.set(server, undefined);
    told(p, now, '4ee');
    const seen = snapshotOf(p, 1, { phase: 'connecting' });
    const [device] = seen.devices;
    p.daemons.set('/run/stunmesh/wg0.sock', { ...seen, devices: device ? [{ ...device, nat: { ipv4: told4 } }] : [] });
  });
  assert.match(texts.join('\n'), /this host has a NAT that lets everybody in \(full cone\)/);
});

test('where our key changed, that there is no record for it is a note: the peer writes for the former one', async (t) => {
  const fault = { code: 'ERR_KEY_CHANGED', message: 'our key changed: give the peer the new one', at: now * 1000 };
  const texts = await peerTexts(t, (p) => {
    p.store.records.clear();
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting', lastError: fault }));
  });
  assert.match(texts.join('\n'), /note needs the other side: there is no record/);
  assert.match(texts.join('\n'), /fault the daemon says: our key changed/);
});

test('a device that is down explains its peers: nothing is foretold of them, and it is said once', async (t) => {
  const harness = createHarness(t);
  lonely(harness);
  told(harness, now, '4ee');
  const seen = snapshotOf(harness, 1, { phase: 'waiting' });
  const errors = [{ of: 'device', code: 'ERR_WG_DEVICE_DOWN', message: 'wg0 is down', at: now * 1000 }];
  const devices = seen.devices.map((device) => ({ ...device, state: 'down' as const, errors }));
  harness.daemons.set('/run/stunmesh/wg0.sock', { ...seen, devices });
  const texts = (await harness.examine()).map(({ text }) => text).join('\n');
  assert.doesNotMatch(texts, /should connect|last error/);
});

test("another host's record in the place of ours is told as such, not as an address that is about to change", async (t) => {
  const fault = { code: 'ERR_KEY_SHARED', message: 'another host uses our key', at: now * 1000 };
  const seen = async (more: object) =>
    peerTexts(t, (p) => {
      ownRecord(p, '192.0.2.200:51820');
      p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting', ...more }));
    });
  assert.match((await seen({})).join('\n'), /our own record for it names 192\.0\.2\.200:51820/);
  const shared = (await seen({ lastError: fault })).join('\n');
  assert.match(shared, /fault the daemon says: another host/);
  assert.doesNotMatch(shared, /our own record for it names/);
});

test('a peer that was connected a moment ago is silent, and no NAT is to be changed for it', async (t) => {
  const texts = await peerTexts(t, (p) => {
    told(p, now - 5);
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting' }));
    p.wg.changePeer('wg0', p.peer.publicKey, { latestHandshakeAt: (now - 20) * 1000 });
  });
  assert.match(
    texts.join('\n'),
    /warning the NATs of both let the two connect before, and it is silent now; the last handshake was/,
  );
  assert.doesNotMatch(texts.join('\n'), /cannot be foretold/);
});
