/** The life of a mapping: before the first publication, renewals, routers that forget, and the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDeviceEntry } from '#src/peers/peer-table.js';
import { createDeviceState, restoreDeviceState } from '#src/peers/saved-state.js';
import { createStage, passing } from './stage.js';

// Loaded in real time, while the fake one would run on.
await import('#src/controllers/port-mapping/mapping-keeper.js');

const HOUR = 3_600_000;
const MINUTE = 60_000;

test('a mapping is there before the publication goes on, which waits a moment for it alone', async () => {
  for (const [protocol, most] of [
    ['pcp', 100],
    ['nat-pmp', 100],
    ['upnp', 200],
  ] as const) {
    const { clock, portMapping, mapped, device, changes } = createStage([protocol]);
    const took = await passing(clock, portMapping.discovered());
    assert.ok(took <= most, `${protocol}: ${took} ms`);
    assert.equal(mapped()?.address, '203.0.113.9');
    assert.equal(device.generation, 1);
    assert.equal(changes(), 1);
    assert.equal(await passing(clock, portMapping.discovered()), 0);
  }
});

test('a router that does not answer delays the first publication by a second and a half at most, and no other', async () => {
  const { clock, fake, portMapping, device, live, logger } = createStage(['pcp', 'upnp']);
  fake.silent = true;
  const took = await passing(clock, portMapping.discovered());
  assert.ok(took <= 1_600, `${took} ms`);
  await live(5_000);
  assert.equal(device.portMapping.fault?.code, 'ERR_PORTMAP_NONE');
  assert.equal(await passing(clock, portMapping.discovered()), 0);
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 1);
});

test('off, or behind no NAT: nothing is asked', async () => {
  const off = createStage(['pcp'], []);
  await passing(off.clock, off.portMapping.discovered());
  await off.live(HOUR);
  const open = createStage(['pcp'], ['nat-pmp', 'pcp']);
  open.reflexive('203.0.113.9:51820', false);
  await passing(open.clock, open.portMapping.discovered());
  await open.live(HOUR);
  for (const { fake, device } of [off, open]) {
    assert.deepEqual(fake.arrived, []);
    assert.equal(device.portMapping.fault, undefined);
  }
});

test('F53 while all is well: a renewal an hour and one question a minute', async () => {
  const { clock, fake, portMapping, live, mapped, changes } = createStage(['pcp']);
  await passing(clock, portMapping.discovered());
  const port = mapped()?.port;
  await live(4 * HOUR);
  const count = (what: string) => fake.arrived.filter((each) => each.what === what).length;
  assert.ok(count('pcp map') >= 4 && count('pcp map') <= 6, `${count('pcp map')} renewals`);
  assert.ok(count('pcp announce') <= 240 && count('pcp announce') >= 220, `${count('pcp announce')} questions`);
  assert.equal(mapped()?.port, port);
  assert.equal(changes(), 1);
});

test('F53 a router that restarted has the mapping back within 65 s by PCP and NAT-PMP, within ten minutes by UPnP', async () => {
  for (const [protocol, most] of [
    ['pcp', 65_000],
    ['nat-pmp', 65_000],
    ['upnp', 10 * MINUTE + 5_000],
  ] as const) {
    const { clock, fake, portMapping, live, device } = createStage([protocol]);
    await passing(clock, portMapping.discovered());
    await live(5 * MINUTE);
    fake.restart();
    await live(most);
    assert.equal(fake.entries.size, 1, protocol);
    assert.equal(device.portMapping.granted.size, 1);
  }
});

test('F53 a firewall that was reloaded: asked again when a peer stays unreached, ever more seldom, and after a network event', async () => {
  const { clock, fake, portMapping, live, device } = createStage(['pcp']);
  await passing(clock, portMapping.discovered());
  await live(MINUTE);
  fake.entries.clear();
  const [peer] = device.peers;
  assert.ok(peer);
  peer.observed = { publicKey: peer.publicKey, allowedIps: [], rxBytes: 0, txBytes: 0, keepaliveSeconds: 25 };
  peer.unconnectedSince = clock.now();
  await live(35_000);
  assert.equal(fake.entries.size, 1);
  const before = fake.arrived.filter(({ what }) => what === 'pcp map').length;
  await live(2 * HOUR);
  const asked = fake.arrived.filter(({ what }) => what === 'pcp map').length - before;
  assert.ok(asked <= 14, `${asked} times in two hours`);
  fake.entries.clear();
  portMapping.networkChanged();
  await passing(clock, portMapping.discovered());
  assert.equal(fake.entries.size, 1);
});

test('F50 an address that STUN sees no more is told no more, and the mapping comes back with the right one', async () => {
  const { clock, fake, portMapping, reflexive, mapped, live, device } = createStage(['pcp']);
  await passing(clock, portMapping.discovered());
  reflexive('203.0.113.44:40000');
  await passing(clock, portMapping.discovered());
  assert.equal(mapped(), undefined);
  assert.equal(device.portMapping.fault?.code, 'ERR_PORTMAP_DOUBLE_NAT');
  fake.external = '203.0.113.44';
  await live(11 * MINUTE);
  assert.equal(mapped()?.address, '203.0.113.44');
  assert.equal(device.portMapping.fault, undefined);
});

test('F57 what a router does not speak is asked again after ten minutes, then ever more seldom, and said once', async () => {
  const { clock, fake, portMapping, live, logger } = createStage([]);
  fake.silent = true;
  await passing(clock, portMapping.discovered());
  await live(24 * HOUR);
  assert.ok(fake.arrived.length <= 6 * 10, `${fake.arrived.length} packets in a day`);
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 1);
  const times = fake.arrived.map(({ at }) => at);
  assert.ok(times.every((at, i) => (times[i + 12] ?? Number.POSITIVE_INFINITY) - at >= MINUTE));
});

test('F59 a mapping outlives no lease, and is released at the end and when it is switched off', async () => {
  const stopped = createStage(['pcp']);
  await passing(stopped.clock, stopped.portMapping.discovered());
  await stopped.stop();
  assert.equal(stopped.fake.entries.size, 0);
  assert.equal(stopped.device.portMapping.known.size, 0);

  const off = createStage(['upnp']);
  await passing(off.clock, off.portMapping.discovered());
  off.configure([]);
  off.portMapping.reconfigured();
  await passing(off.clock, off.portMapping.discovered());
  await off.live(1_000);
  assert.equal(off.fake.entries.size, 0);
  assert.equal(off.mapped(), undefined);

  const lost = createStage(['nat-pmp']);
  await passing(lost.clock, lost.portMapping.discovered());
  lost.fake.silent = true;
  await lost.live(2 * HOUR + MINUTE);
  assert.equal(lost.mapped(), undefined);
  assert.equal(lost.device.portMapping.fault?.code, 'ERR_PORTMAP_NONE');
  assert.ok((await passing(lost.clock, lost.stop())) <= 1_100);
});

test('F59 at the end of --oneshot a mapping stays for its lease and is remembered; one without a lease is released', async () => {
  for (const [protocol, permanent, left] of [
    ['pcp', false, 1],
    ['upnp', true, 0],
  ] as const) {
    const { clock, fake, portMapping, device, stop } = createStage([protocol]);
    if (permanent) fake.faults.push(725);
    await passing(clock, portMapping.discovered());
    assert.equal(fake.entries.size, 1, protocol);
    device.portMapping.outlivesUs = true;
    await stop();
    assert.equal(fake.entries.size, left, protocol);
    assert.equal(createDeviceState(device).portmap !== undefined, left === 1);
  }
});

test('F52 the state file keeps protocol, gateway, nonce and ports; one that is switched off meanwhile is released', async () => {
  const { clock, device, portMapping } = createStage(['pcp']);
  await passing(clock, portMapping.discovered());
  const state = JSON.parse(JSON.stringify(createDeviceState(device)));
  assert.deepEqual(Object.keys(state.portmap), ['protocol', 'gateway', 'nonce', 'port', 'internal']);
  const fresh = createDeviceEntry(device.config, 0);
  restoreDeviceState(fresh, state, clock.wallNow());
  const restored = fresh.portMapping.known.get(4) ?? assert.fail('nothing restored');
  assert.deepEqual({ ...device.portMapping.known.get(4), ...restored }, device.portMapping.known.get(4));

  const off = createStage(['pcp'], []);
  restoreDeviceState(off.device, state, clock.wallNow());
  off.fake.entries.set(state.portmap.port, { client: '192.168.1.2', internalPort: 51_820, leaseSeconds: 7_200 });
  await passing(off.clock, off.portMapping.discovered());
  assert.equal(off.fake.entries.size, 0);
  assert.equal(off.device.portMapping.known.size, 0);

  const spoilt = [
    1,
    null,
    'x',
    { ...state.portmap, gateway: 'x' },
    { ...state.portmap, port: 0 },
    { ...state.portmap, protocol: 'x' },
  ];
  for (const portmap of spoilt) {
    const entry = createDeviceEntry(device.config, 0);
    assert.equal(restoreDeviceState(entry, { ...state, portmap }, clock.wallNow()), true);
    assert.equal(entry.portMapping.known.size, 0);
  }
});
