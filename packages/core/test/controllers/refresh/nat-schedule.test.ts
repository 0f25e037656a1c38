/** The NATs' behaviour on its way into records: found out in quiet moments, seldom, and without records that change to and fro. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { formatStatus } from '#src/control/format-status.js';
import type { NatBehaviour } from '#src/nat/behaviour.js';
import { formatNatCode, natOf } from '#src/nat/code.js';
import { parseEndpoint } from '#src/net/index.js';
import { localCandidate } from '#src/paths/candidate.js';
import { createHarness, farEndpoint, type HarnessOptions, OWN4 } from '../harness.js';

const MINUTE = 60_000;

function setUp(options: HarnessOptions = {}) {
  const state: { found: Partial<NatBehaviour> | StunmeshError; at: number[] } = {
    found: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent' },
    at: [],
  };
  const h = createHarness({
    ...options,
    async examineNat(family) {
      state.at.push(h.clock.now());
      if (state.found instanceof StunmeshError) throw state.found;
      return {
        family,
        mapping: 'unknown',
        filtering: 'unknown',
        cgnat: false,
        portPreserving: true,
        doubleNat: undefined,
        mapped: localCandidate(h.device.candidates, 'reflexive', family)?.endpoint,
        how: 'several-servers',
        observations: [],
        failures: new Map(),
        outliers: [],
        reasons: [],
        ...state.found,
      };
    },
  });
  return { h, state, code: () => formatNatCode(natOf(h.peer().ourRecord()?.c)) || undefined };
}

test('a device whose peers do not connect is examined 20 s after its start, and their records tell what was found', async () => {
  const { h, state, code } = setUp();
  await h.start();
  await h.advance(19_000);
  assert.deepEqual(state.at, [], 'the tunnel comes first');
  assert.equal(code(), undefined);
  await h.advance(10_000);
  assert.equal(state.at.length, 1);
  assert.equal(code(), '4ep');
  assert.equal(h.only('publish').length, 2);
  assert.deepEqual(h.snapshot().devices[0]?.nat, {
    ipv4: { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', cgnat: false },
  });
  await h.advance(50 * MINUTE);
  assert.equal(state.at.length, 1, 'nothing changed, so nobody is asked again');
  assert.equal(h.only('publish').length, 2);
});

test('F29 for a connected peer nothing is written: it learns by the next record that is due anyway', async () => {
  const { h, state, code } = setUp({ keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await h.live(55 * MINUTE);
  assert.equal(state.at.length, 1);
  assert.equal(h.only('publish').length, 1);
  assert.equal(code(), undefined);
  await h.live(10 * MINUTE);
  assert.equal(h.only('publish').length, 2);
  assert.equal(code(), '4ep');
});

test('F42 with nat_check off nothing is examined; without it events are followed at most every ten minutes', async () => {
  const off = setUp({ natCheck: false });
  await off.h.start();
  await off.h.advance(20 * MINUTE);
  assert.equal(off.state.at.length, 0);
  const { h, state } = setUp();
  await h.start();
  for (let port = 1; port < 60; port += 1) {
    h.mappings.set(4, `203.0.113.${10 + port}:40000`);
    await h.session.refresh();
    await h.advance(MINUTE / 2);
  }
  assert.ok(state.at.length >= 2 && state.at.length <= 4, `${state.at.length} examinations in half an hour`);
});

test('a record that moves to another address tells nothing of the old NAT, and the new one is examined', async () => {
  const { h, state, code } = setUp();
  await h.start();
  await h.advance(2 * MINUTE);
  assert.equal(code(), '4ep');
  state.found = { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent', cgnat: true };
  h.mappings.set(4, '198.18.0.1:1234');
  await h.session.refresh();
  await h.advance(1_000);
  assert.equal(h.peer().ourRecord()?.ipv4?.address, '198.18.0.1');
  assert.equal(code(), undefined);
  await h.advance(12 * MINUTE);
  assert.equal(code(), '4ppc');
});

test('another port of the same address is examined at once, told as the same NAT meanwhile, and believed at once where it is another', async () => {
  const { h, state, code } = setUp();
  await h.start();
  await h.advance(2 * MINUTE);
  assert.equal(state.at.length, 1);
  h.mappings.set(4, OWN4.replace(/\d+$/, '41111'));
  await h.session.refresh();
  await h.advance(15_000);
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 41111);
  assert.equal(code(), '4ep');
  assert.equal(state.at.length, 2, 'not after ten minutes');
  await h.advance(2 * MINUTE);
  state.found = { mapping: 'address-and-port-dependent', filtering: 'unknown' };
  h.mappings.set(4, OWN4.replace(/\d+$/, '42222'));
  await h.session.refresh();
  await h.advance(15_000);
  assert.equal(state.at.length, 3);
  assert.equal(code()?.slice(0, 2), '4p');
});

test('F42 a public port that is another one all the time is examined every two minutes at most, and not at all once that is understood', async () => {
  const { h, state } = setUp();
  await h.start();
  const move = async (times: number) => {
    for (let n = 0; n < times; n += 1) {
      h.mappings.set(4, OWN4.replace(/\d+$/, `${41_000 + Math.floor(h.clock.now() / 1_000)}`));
      await h.session.refresh();
      await h.advance(10_000);
    }
  };
  await move(60);
  assert.ok(state.at.length <= 6, `${state.at.length} examinations in ten minutes`);
  state.found = { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent' };
  await move(30);
  const understood = state.at.length;
  await move(50);
  assert.equal(state.at.length, understood);
});

test('a public port that changed over a restart is examined at once', async () => {
  const former = setUp();
  await former.h.start();
  await former.h.advance(MINUTE);
  const later = setUp({ state: former.h.state(), wallStart: former.h.clock.wallNow() });
  later.h.mappings.set(4, OWN4.replace(/\d+$/, '43333'));
  await later.h.start();
  await later.h.advance(15_000);
  assert.equal(later.state.at.length, 1);
});

test('two hosts behind NATs that map by destination: it is said under the peer', async () => {
  const { h, state } = setUp();
  state.found = { mapping: 'address-and-port-dependent', filtering: 'unknown' };
  await h.peer().publish({ ipv4: farEndpoint(0), t: Math.floor(h.clock.wallNow() / 1000), n: 1, nat: '4pp' });
  await h.start();
  await h.advance(MINUTE);
  const snapshot = h.snapshot();
  assert.equal(snapshot.devices[0]?.peers[0]?.bothSymmetric, true);
  assert.match(
    formatStatus([snapshot], h.clock.wallNow(), { columns: 400 }),
    /both NATs are symmetric.*cannot connect as they are; see `stunmesh doctor`/,
  );
});

test('a finding that contradicts the one told is told once it was made twice; what could not be told takes nothing back', async () => {
  const { h, state, code } = setUp({ serverAddress: '192.0.2.53' });
  await h.start();
  await h.advance(2 * MINUTE);
  assert.equal(code(), '4ep');
  const again = async (minutes = 13) => {
    const before = state.at.length;
    // Not at the moment of a discovery, which would take the new way for the old one.
    await h.advance(5_000);
    // Another way to the server: the network changed, our address did not.
    h.capture.setRoute('192.0.2.53', { interface: 'eth0', source: `192.168.1.${2 + before}` });
    h.capture.change({ kind: 'route', interface: 'eth0' });
    await h.advance(minutes * MINUTE);
    return state.at.length - before;
  };
  state.found = { mapping: 'endpoint-independent', filtering: 'unknown' };
  assert.equal(await again(), 1);
  assert.equal(code(), '4ep');
  state.found = { mapping: 'unknown', filtering: 'unknown' };
  assert.equal(await again(), 1);
  assert.equal(code(), '4ep');
  state.found = { mapping: 'endpoint-independent', filtering: 'endpoint-independent' };
  await again(5);
  const first = code();
  await h.advance(13 * MINUTE);
  assert.deepEqual([first, code()], ['4ep', '4ee']);
});

test('a failed examination is tried again, not before ten minutes', async () => {
  const { h, state, code } = setUp();
  state.found = new StunmeshError('ERR_CAPTURE_LOST', 'gone');
  await h.start();
  await h.advance(10 * MINUTE);
  assert.equal(state.at.length, 1);
  state.found = { mapping: 'none', filtering: 'endpoint-independent' };
  await h.advance(5 * MINUTE);
  assert.equal(state.at.length, 2);
  assert.equal(code(), '4ne');
});

test('servers that can tell nothing are not asked for ever', async () => {
  const { h, state } = setUp();
  state.found = { mapping: 'unknown', filtering: 'unknown' };
  await h.start();
  await h.advance(60 * MINUTE);
  assert.equal(state.at.length, 1);
});

test('after a restart the state file says what was known, and the record is not written again', async () => {
  const former = setUp();
  await former.h.start();
  await former.h.advance(MINUTE);
  assert.equal(former.code(), '4ep');
  const stored = new Map(former.h.stores.get('main')?.records ?? []);
  const later = setUp({ stored, state: former.h.state(), wallStart: former.h.clock.wallNow() });
  await later.h.start();
  await later.h.advance(5 * MINUTE);
  assert.equal(later.state.at.length, 1);
  assert.equal(later.code(), '4ep');
  assert.equal(later.h.only('publish').length, 0);
});

test("the snapshot shows what a peer's record tells of its NATs", async () => {
  const { h } = setUp();
  const ipv4 = farEndpoint(0);
  assert.ok(parseEndpoint(ipv4));
  h.peer().answersAt = ipv4;
  await h.peer().publish({ ipv4, t: Math.floor(h.clock.wallNow() / 1000), n: 1, nat: '4ppc6ne' });
  await h.start();
  await h.advance(3_000);
  assert.equal(h.entry().phase, 'connected');
  assert.equal(h.snapshot().devices[0]?.peers[0]?.record?.nat, '4ppc6ne');
});

test('an examination that is under way does not hold up the end of the daemon', async () => {
  let begun = 0;
  const h = createHarness({
    examineNat(_family, signal) {
      begun += 1;
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
    },
  });
  await h.start();
  await h.advance(60_000);
  assert.equal(begun, 1);
  assert.equal(await h.stop(100), true);
  assert.ok(!h.logger.lines.some(({ message }) => message.includes('NAT behaviour')));
});

test('how a symmetric NAT chooses ports is told once it is known, though nothing else changed', async () => {
  const server = '192.0.2.53';
  const { h, state } = setUp({ serverAddress: server });
  const allocation = () => h.peer().ourRecord()?.c?.allocation;
  state.found = { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent' };
  h.capture.setRoute(server, { interface: 'eth0', source: '192.168.1.2' });
  await h.start();
  await h.advance(30_000);
  assert.equal(allocation(), 'unknown');
  state.found = { ...state.found, allocation: { delta: 1 } };
  // Another way out, the same NAT: it is examined again.
  h.capture.setRoute(server, { interface: 'eth0', source: '192.168.1.3' });
  h.capture.change({ kind: 'address', interface: 'eth0' });
  await h.advance(12 * MINUTE);
  assert.deepEqual([state.at.length, allocation()], [2, { delta: 1 }]);
});
