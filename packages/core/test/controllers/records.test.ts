/** Records that must not be used, and which of two is newer (F19, F20, F21). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEndpoint } from '#src/net/index.js';
import { peerFault } from '#src/peers/faults.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { codedPlain } from '../record/coded.js';
import { createHarness, farEndpoint, type Harness, type HarnessOptions, OWN4, WALL_START } from './harness.js';

const T = WALL_START / 1000 - 3_600;
const sets = (h: Harness) => h.only('set').map((s) => s.to);

async function withRecord(record: { ipv4?: string; ipv6?: string }, options: HarnessOptions = {}): Promise<Harness> {
  const h = createHarness({ protocol: 'dualstack', peerProtocol: 'prefer_ipv4', ...options });
  const f = fingerprint(h.peer().keys.publicKey);
  await h.peer().store(h.peer().seal(codedPlain(record, { t: T, f })));
  return h;
}

const REFUSED: readonly [string, { ipv4?: string; ipv6?: string }, RegExp][] = [
  ['loopback', { ipv4: '127.0.0.1:5000' }, /loopback/],
  ['loopback (IPv6)', { ipv6: '[::1]:5000' }, /loopback/],
  ['multicast', { ipv4: '224.0.0.5:5000' }, /multicast/],
  ['multicast (IPv6)', { ipv6: '[ff02::1]:5000' }, /multicast/],
  ['broadcast', { ipv4: '255.255.255.255:5000' }, /broadcast/],
  ['unspecified', { ipv4: '0.0.0.0:5000' }, /unspecified/],
  ['unspecified (IPv6)', { ipv6: '[::]:5000' }, /unspecified/],
  ['an IPv4 address in IPv6 clothes', { ipv6: '[::ffff:127.0.0.1]:5000' }, /mapped/],
  ['port 0', { ipv4: '192.0.2.1:0' }, /port 0|numeric address and port/],
  ['a name', { ipv4: 'example.org:5000' }, /numeric/],
  ['the other family', { ipv4: '[2001:db8::1]:5000' }, /family/],
  ['our own address and listen port', { ipv4: '192.168.1.2:51820' }, /this very host/],
  ['an address whose route is the tunnel itself', { ipv4: '10.99.7.7:5000' }, /tunnel itself/],
];

for (const [what, record, why] of REFUSED) {
  test(`F19 a record that points at ${what} is never used, and the fault says why`, async () => {
    const h = await withRecord(record);
    h.capture.setRoute('10.99.7.7', { interface: 'wg0', source: '10.99.0.1' });
    await h.start();
    await h.advance(70_000);
    assert.deepEqual(h.only('set', 'renew', 'punch', 'kick'), []);
    assert.equal(peerFault(h.entry())?.code, 'ERR_RECORD_ENDPOINT');
    assert.match(peerFault(h.entry())?.message ?? '', why);
    assert.equal(h.entry().phase, 'waiting');
  });
}

test('F5, F19 with a full tunnel in the default table and WireGuard in a table of its own a good record is used', async () => {
  const h = await withRecord({ ipv4: '198.51.100.1:50000' }, { fib: 2 });
  h.capture.setRoute('198.51.100.1', { interface: 'wg0', source: '10.99.0.1' });
  h.capture.setRoute('198.51.100.1', { interface: 'eth0', source: '192.168.1.2' }, { fib: 2 });
  await h.start();
  await h.advance(1_000);
  assert.equal(peerFault(h.entry()), undefined);
  assert.deepEqual(sets(h), ['198.51.100.1:50000']);
});

test('F19 our own address with another port is somebody behind the same address', async () => {
  const h = await withRecord({ ipv4: '192.168.1.2:51821' });
  await h.start();
  await h.advance(1_000);
  assert.deepEqual(sets(h), ['192.168.1.2:51821']);
});

test('F19 where one family is refused the other one is used, and what is wrong is said', async () => {
  const h = await withRecord({ ipv4: '127.0.0.1:5000', ipv6: '[2001:db8:f::1]:5000' });
  await h.start();
  await h.advance(1_000);
  assert.deepEqual(sets(h), ['[2001:db8:f::1]:5000']);
  assert.match(JSON.stringify(h.snapshot()) + h.logger.text(), /ipv4 is a loopback address/);
  const told = h.logger.lines.filter((l) => l.level === 'warn').length;
  await h.advance(30_000);
  assert.equal(h.logger.lines.filter((l) => l.level === 'warn').length, told, 'once, not at every look');
});

test('F20 our own record copied into the place of the peer is refused', async () => {
  const h = createHarness();
  await h.start();
  await h.advance(1_000);
  await h.peer().store(h.peer().ourSealed() ?? '');
  await h.advance(70_000);
  assert.deepEqual(sets(h), []);
  assert.equal(peerFault(h.entry())?.code, 'ERR_RECORD_REFLECTED');
  assert.match(peerFault(h.entry())?.message ?? '', /one of our own/);
});

test('F20 the same without a fingerprint: what equals the endpoint that we publish now is refused', async () => {
  const h = createHarness({ refreshIntervalMs: 60_000 });
  await h.start();
  await h.advance(1_000);
  await h.peer().publish({ ipv4: OWN4, t: T, f: null });
  await h.advance(70_000);
  assert.deepEqual(sets(h), []);
  assert.equal(peerFault(h.entry())?.code, 'ERR_RECORD_REFLECTED');

  // The peer may have inherited our former NAT address and port.
  h.mappings.set(4, '203.0.113.9:45678');
  await h.session.refresh();
  await h.advance(20_000);
  assert.deepEqual(sets(h), [OWN4]);
  assert.equal(peerFault(h.entry()), undefined);
});

test("F20 a record with the fingerprint of a third party is refused, one with the peer's own is not, whatever it names", async () => {
  const h = createHarness();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T, f: '00112233' });
  await h.start();
  await h.advance(10_000);
  assert.deepEqual(sets(h), []);
  assert.equal(peerFault(h.entry())?.code, 'ERR_RECORD_REFLECTED');
  await h.peer().publish({ ipv4: OWN4, t: T });
  await h.advance(10_000);
  assert.deepEqual(sets(h), [OWN4]);
});

test('F20 a reflected record does not take the place of a good one', async () => {
  const h = createHarness();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(1_000);
  await h.peer().store(h.peer().ourSealed() ?? '');
  await h.advance(10_000);
  assert.deepEqual(sets(h), [farEndpoint(0)]);
});

test('F21 an older record never replaces the newer one that proved itself; after a minute without a tunnel it is tried', async () => {
  const h = createHarness({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  const floor = h.entry().provenTime;
  assert.equal(typeof floor, 'number');
  const older = '192.0.2.55:5555';
  await h.peer().publish({ ipv4: older, t: (floor ?? 0) - 100 });
  h.peer().answersAt = undefined;
  h.forget();
  await h.advance(600_000);
  const lostAt = h.entry().unconnectedSince;
  assert.notEqual(h.entry().phase, 'connected');
  const first = h.only('set', 'punch').find((s) => s.to === older);
  assert.ok(first && first.at - lostAt >= 60_000, `${first?.at} ${lostAt}`);

  h.peer().answersAt = older;
  await h.advance(120_000);
  assert.equal(h.entry().phase, 'connected');
});

test('F21 a replayed record does not move the floor, a newer one does once it proved itself', async () => {
  const h = createHarness({ keepaliveSeconds: 25, refreshIntervalMs: 60_000 });
  await h.start();
  await h.connect();
  const floor = h.entry().provenTime ?? 0;
  await h.peer().publish({ ipv4: farEndpoint(0), t: floor - 50 });
  await h.live(120_000);
  assert.equal(h.entry().provenTime, floor);
  await h.peer().publish({ ipv4: farEndpoint(0), t: floor + 50 });
  await h.live(240_000);
  assert.equal(h.entry().provenTime, floor + 50);
});

test('F21 a record without a time is used at once where none has proved itself', async () => {
  const h = createHarness();
  await h.peer().publish({ ipv4: farEndpoint(0), f: null });
  h.peer().answersAt = farEndpoint(0);
  await h.start();
  await h.advance(2_000);
  assert.equal(h.entry().phase, 'connected');
});

test('F21 of two stores the newer record is used', async () => {
  const h = createHarness({ stores: { a: {}, b: {} } });
  await h.peer().publish({ ipv4: '192.0.2.1:1', t: T }, 'a');
  await h.peer().publish({ ipv4: '192.0.2.2:2', t: T + 5 }, 'b');
  await h.start();
  await h.advance(400);
  assert.equal(sets(h).at(-1), '192.0.2.2:2');
});

test('F21 our own t grows strictly: at every write, with the clock in 1970, across restarts, with a lost state file', async () => {
  const times: number[] = [];
  let stored: ReadonlyMap<string, string> | undefined;
  let state: unknown;
  const lives = [
    { wallStart: WALL_START, keepState: true },
    { wallStart: 60_000, keepState: true },
    { wallStart: 60_000, keepState: false },
    { wallStart: WALL_START - 86_400_000, keepState: false },
    { wallStart: WALL_START + 60_000, keepState: true },
  ];
  for (const [life, { wallStart, keepState }] of lives.entries()) {
    const h = createHarness({
      refreshIntervalMs: 60_000,
      wallStart,
      ...(stored ? { stored } : {}),
      ...(keepState && state ? { state } : {}),
    });
    h.mappings.set(4, `203.0.113.9:${42_000 + life * 10}`);
    await h.start();
    await h.advance(2_000);
    times.push(h.peer().ourRecord()?.t ?? -1);
    h.mappings.set(4, `203.0.113.9:${42_001 + life * 10}`);
    await h.session.refresh();
    await h.advance(100);
    times.push(h.peer().ourRecord()?.t ?? -1);
    assert.equal(await h.stop(), true);
    state = h.state();
    stored = h.stores.get('main')?.records;
  }
  for (const [i, t] of times.entries()) if (i > 0) assert.ok(t > (times[i - 1] ?? 0), `${times}`);
});

test('F21 a restart with the same mapping writes nothing: our own record is found in the store', async () => {
  const first = createHarness();
  await first.start();
  await first.advance(2_000);
  await first.stop();
  const records = first.stores.get('main')?.records;
  const second = createHarness({ ...(records ? { stored: records } : {}), wallStart: WALL_START + 10_000 });
  await second.start();
  await second.advance(60_000);
  assert.deepEqual(second.only('publish'), []);
  const ipv4 = second.peer().ourRecord()?.ipv4;
  assert.equal(ipv4 && formatEndpoint(ipv4), OWN4);
});

test('F21 floor and proven endpoint outlive a restart', async () => {
  const first = createHarness();
  await first.start();
  await first.connect();
  const state = first.state();
  const second = createHarness({ state });
  assert.equal(second.entry().provenTime, first.entry().provenTime);
  assert.deepEqual(second.entry().restored, first.entry().proven);
});

test('a record of ours that is newer than we remember warns of a second host with our key; a lost state file does not', async () => {
  const first = createHarness({ peers: 2 });
  await first.start();
  await first.advance(2_000);
  await first.stop();
  const stored = first.stores.get('main')?.records ?? new Map();
  const state = first.state() as { t: number };
  const warned = async (options: HarnessOptions, at = OWN4): Promise<boolean> => {
    const h = createHarness({ peers: 2, stored, wallStart: WALL_START + 10_000, ...options });
    h.mappings.set(4, at);
    await h.start();
    await h.advance(2_000);
    await h.stop();
    return h.logger.text().includes('who else uses our WireGuard key?');
  };
  const older = { ...state, t: state.t - 100 };
  assert.equal(await warned({ state: older }, '203.0.113.200:40000'), true);
  assert.equal(await warned({ state: older }), false, 'our own, from before a crash that came too early for the state');
  assert.equal(await warned({ state }), false);
  assert.equal(await warned({}), false);
});
