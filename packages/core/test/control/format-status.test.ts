/** The snapshot of real controllers as people and programs see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { formatStatus } from '#src/control/format-status.js';
import type { PeerSnapshot, Snapshot } from '#src/control/snapshot.js';
import { createHarness, farEndpoint, OWN4 } from '../controllers/harness.js';

test('the snapshot tells of each peer: phase, endpoint, handshake, both records, counters, the last error', async () => {
  const h = createHarness({
    peers: 3,
    stores: { main: {}, short: { maxValueBytes: 140 } },
    pluginsOf: (i) => (i === 1 ? ['short'] : ['main']),
  });
  await h.peer(2).store('garbage');
  await h.start();
  await h.connect(0);
  const [device] = h.snapshot().devices;
  const [connected, short, broken] = device?.peers ?? [];
  assert.equal(device?.reflexive.ipv4, OWN4);
  assert.equal(connected?.phase, 'connected');
  assert.equal(connected?.endpoint, farEndpoint(0));
  assert.ok((connected?.latestHandshakeAt ?? 0) > 0);
  assert.equal(connected?.record?.ipv4, farEndpoint(0));
  assert.equal(connected?.published?.ipv4, OWN4);
  assert.equal(connected?.endpointWrites, 1);
  assert.ok((short?.published?.omitted.length ?? 0) > 0, 'what a short store left out is said');
  assert.equal(broken?.lastError?.code, 'ERR_RECORD_MALFORMED');
  assert.deepEqual(JSON.parse(JSON.stringify(h.snapshot())), h.snapshot(), 'plain JSON');
});

test('people see names, phases, addresses and errors with their codes', async () => {
  const h = createHarness({ peers: 2 });
  await h.peer(1).store('garbage');
  await h.start();
  await h.connect(0);
  const text = formatStatus([h.snapshot()], h.clock.wallNow());
  for (const word of ['wg0', 'peer-0', 'connected', farEndpoint(0), OWN4, 'peer-1', 'ERR_RECORD_MALFORMED']) {
    assert.ok(text.includes(word), `${word} in\n${text}`);
  }
  assert.ok(text.endsWith('\n'));
});

test('people see a missing device and a failing discovery', async () => {
  const missing = createHarness({ present: false });
  await missing.start();
  await missing.advance(1_000);
  assert.match(formatStatus([missing.snapshot()], missing.clock.wallNow()), /missing[\s\S]*ERR_WG_DEVICE_NOT_FOUND/);
  const mute = createHarness();
  mute.mappings.set(4, new StunmeshError('ERR_STUN_NO_RESPONSE', 'silence'));
  await mute.start();
  await mute.advance(1_000);
  assert.match(formatStatus([mute.snapshot()], mute.clock.wallNow()), /ERR_STUN_NO_RESPONSE/);
});

test('people see the last public address while none is found any more, and not that none was found yet', async () => {
  const h = createHarness({ mappingCheckMs: 10_000 });
  const text = () => formatStatus([h.snapshot()], h.clock.wallNow(), { columns: 200 });
  h.mappings.set(4, new StunmeshError('ERR_STUN_NO_RESPONSE', 'silence'));
  await h.start();
  await h.advance(1_000);
  assert.match(text(), /no public address found yet/);
  h.mappings.set(4, OWN4);
  await h.advance(60_000);
  assert.match(text(), /seen from outside as 203\.0\.113\.9:40000/);
  h.mappings.set(4, new StunmeshError('ERR_STUN_NO_RESPONSE', 'silence'));
  await h.advance(90_000);
  assert.match(text(), /no public address at present; last seen from outside as 203\.0\.113\.9:40000, [89][0-9] s ago/);
  assert.deepEqual(JSON.parse(JSON.stringify(h.snapshot())), h.snapshot(), 'plain JSON');
});

test('people see a store that cannot be read counted, and one that holds a record of no use not', async () => {
  const h = createHarness({ stores: { main: {}, backup: {} }, peers: 2 });
  const text = () => formatStatus([h.snapshot()], h.clock.wallNow());
  await h.peer(1).store('garbage', 'backup');
  await h.start();
  await h.advance(1_000);
  assert.match(text(), /, 2 stores well/);
  const main = h.stores.get('main') ?? assert.fail();
  main.failure = new StunmeshError('ERR_STORE_DENIED', 'no right');
  void h.session.refresh();
  await h.advance(100);
  assert.match(text(), /, 1 of 2 stores cannot be read/);
});

test('people see no advice about the peers of a device that is down', async () => {
  const h = createHarness();
  await h.start();
  await h.advance(15_000);
  const [snapshot] = [h.snapshot()];
  const down = snapshot.devices.map((device) => ({ ...device, state: 'down' as const }));
  assert.match(formatStatus([snapshot], h.clock.wallNow()), /no record of the peer yet/);
  assert.doesNotMatch(formatStatus([{ ...snapshot, devices: down }], h.clock.wallNow()), /no record of the peer yet/);
});

test('people see a store that is down, when it is asked next, and why', async () => {
  const h = createHarness({ stores: { main: {}, backup: {} } });
  const main = h.stores.get('main');
  assert.ok(main);
  main.failure = new StunmeshError('ERR_STORE_UNAVAILABLE', 'connection refused');
  await h.start();
  await h.advance(60_000);
  const text = formatStatus([h.snapshot()], h.clock.wallNow()).replace(/\s+/g, ' ');
  assert.match(text, /! store "main" is down, and asked again in \d s: .*connection refused \[ERR_STORE_UNAVAILABLE\]/);
  assert.doesNotMatch(text, /store "backup" is down/);
  main.failure = undefined;
  await h.advance(10_000);
  assert.doesNotMatch(formatStatus([h.snapshot()], h.clock.wallNow()), /is down/);
});

/** A snapshot of one device with peers as `change` makes them. */
function snapshotOf(peers: readonly (Partial<PeerSnapshot> & { readonly name: string })[]): Snapshot {
  const plain = {
    publicKey: 'k',
    phase: 'connected',
    phaseForMs: 60_000,
    present: true,
    rxBytes: 0,
    txBytes: 0,
    keepaliveSeconds: 0,
    probes: 0,
    endpointWrites: 0,
    renewals: 0,
    reads: 0,
  } as const;
  const device = { name: 'wg0', state: 'up', listenPort: 1, reflexive: {}, discoveries: 0, errors: [] } as const;
  const store = { name: 'main', gets: 0, sets: 0, failures: 0, state: 'up' } as const;
  return {
    type: 'snapshot',
    version: 1,
    stunmesh: '0',
    pid: 1,
    startedAt: 0,
    clockSane: true,
    stores: [store],
    devices: [{ ...device, peers: peers.map((peer) => ({ ...plain, ...peer })) }],
  };
}

test('the first line counts, what is wrong comes first, and equal advice is given once', () => {
  const waiting = Array.from({ length: 40 }, (_, i) => ({ name: `w${i}`, phase: 'waiting' as const }));
  const text = formatStatus([snapshotOf([{ name: 'good' }, ...waiting, { name: 'lost', phase: 'suspect' }])], 1_000);
  const lines = text.split('\n');
  assert.equal(lines[0], '1 device, 1 of 42 peers connected, 1 store well');
  const order = ['lost', 'w0', 'w39', 'good'].map((name) => lines.findIndex((line) => line.startsWith(`  ${name} `)));
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.equal(text.match(/no record of the peer yet/g)?.length, 1);
  assert.match(text, /! 40 peers: no record of the peer yet/);
});

test('what a store says of itself is shown while a peer is looked for, not when all is well', async () => {
  const h = createHarness({ peers: 2, stores: { main: {}, plain: {} } });
  await h.start();
  await h.connect(0);
  const snapshot = h.snapshot();
  const [main, plain] = snapshot.stores;
  assert.ok(main && plain);
  const [device] = snapshot.devices;
  assert.ok(device);
  const noted = { ...snapshot, stores: [{ ...main, note: '12 nodes answered, 3 with the record, in 0.6 s' }, plain] };
  assert.match(
    formatStatus([noted], h.clock.wallNow()),
    /^ {2}store "main": 12 nodes answered, 3 with the record, in 0\.6 s$/m,
  );
  assert.doesNotMatch(formatStatus([noted], h.clock.wallNow()), /store "plain"/);
  const well = { ...noted, devices: [{ ...device, peers: device.peers.slice(0, 1) }] };
  assert.doesNotMatch(formatStatus([well], h.clock.wallNow()), /store "main"/);
});

test('stores of a daemon with several devices are counted once', () => {
  const two = [snapshotOf([{ name: 'a' }]), snapshotOf([{ name: 'b' }])];
  assert.match(formatStatus(two, 1_000), /^2 devices, 2 of 2 peers connected, 1 store well\n/);
});

test('a long name gives way in its middle to the width of the terminal, and only there', () => {
  const name = `office-${'x'.repeat(60)}-berlin`;
  const peers = [{ name, endpoint: '203.0.113.77:51820' }];
  const narrow = formatStatus([snapshotOf(peers)], 1_000, { columns: 80 });
  assert.ok(
    narrow.split('\n').every((line) => line.length <= 80),
    narrow,
  );
  assert.match(narrow, /office-x+…x+-berlin/);
  assert.ok(formatStatus([snapshotOf(peers)], 1_000, { columns: 200 }).includes(name));
});

test('people see what is told besides the address that STUN sees, and what a store has no room for, in words', async () => {
  const h = createHarness({
    lan: true,
    advertise: ['198.51.100.20:443'],
    stores: { main: { maxValueBytes: 220 } },
  });
  await h.start();
  await h.advance(2_000);
  assert.deepEqual(
    h.snapshot().devices[0]?.candidates?.map(({ type, endpoint, foundBy }) => `${type} ${endpoint} ${foundBy}`),
    [
      `reflexive ${OWN4} stun.test:3478`,
      'host 192.168.1.2:51820 eth0',
      'configured 198.51.100.20:443 198.51.100.20:443',
    ],
  );
  const text = formatStatus([h.snapshot()], h.clock.wallNow(), { columns: 200 });
  assert.match(text, /also told to peers: 192\.168\.1\.2:51820 \(LAN\), 198\.51\.100\.20:443 \(advertised\)/);
  assert.match(text, /our record leaves out the advertised address: the store takes no more/);
  const short = createHarness({ stores: { main: { maxValueBytes: 140 } } });
  await short.start();
  await short.advance(2_000);
  assert.match(
    formatStatus([short.snapshot()], short.clock.wallNow(), { columns: 200 }),
    /leaves out all but the public addresses \(time, NAT, other addresses\)/,
  );
});
