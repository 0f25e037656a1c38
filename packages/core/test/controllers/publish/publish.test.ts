/** Publishing under a fake clock: what is written when, and what never is (F11 to F15, F22). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePublicKey, StunmeshError } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';
import { peerFault } from '#src/peers/faults.js';
import { formatRecord } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { keyPair } from '../far-side.js';
import { createHarness, farEndpoint, OWN4, OWN6 } from '../harness.js';

test('F11 an unchanged plain text is not written again at ten refreshes', async () => {
  const h = createHarness({ refreshIntervalMs: 60_000 });
  await h.start();
  await h.advance(5_000);
  assert.equal(h.only('publish').length, 1);
  await h.advance(600_000);
  assert.equal(h.only('publish').length, 1);
  assert.ok(h.only('discover').length >= 10, 'it did look');
});

test('F11 each write has a fresh nonce, and a changed mapping is written', async () => {
  const h = createHarness({ peers: 2, refreshIntervalMs: 60_000 });
  await h.start();
  await h.advance(5_000);
  const first = [h.peer(0).ourSealed(), h.peer(1).ourSealed()];
  h.mappings.set(4, '203.0.113.9:40001');
  await h.advance(60_000);
  const second = [h.peer(0).ourSealed(), h.peer(1).ourSealed()];
  const nonces = [...first, ...second].map((sealed) => sealed?.slice(0, 48));
  assert.equal(new Set(nonces).size, 4);
  const record = h.peer().ourRecord();
  assert.equal(record?.ipv4 && formatEndpoint(record.ipv4), '203.0.113.9:40001');
});

test('F12 an unchanged record is renewed at a third of its life in the store', async () => {
  const h = createHarness({ stores: { main: { expiresAfterMs: 600_000 } } });
  await h.start();
  await h.advance(199_000);
  assert.equal(h.only('publish').length, 1);
  const before = h.peer().ourRecord()?.t ?? 0;
  await h.advance(12_000);
  assert.equal(h.only('publish').length, 2);
  assert.ok((h.peer().ourRecord()?.t ?? 0) > before);
  await h.advance(600_000);
  assert.equal(h.only('publish').length, 5);
});

test('F12 where records never expire they are renewed every hour, and no sooner', async () => {
  const h = createHarness();
  await h.start();
  await h.advance(3_590_000);
  assert.equal(h.only('publish').length, 1);
  await h.advance(30_000);
  assert.equal(h.only('publish').length, 2);
});

test('F13 a weak key, a broken record and a failing store touch no other peer', async () => {
  const weak = { ...keyPair('weak'), publicKey: parsePublicKey(`${'A'.repeat(43)}=`) ?? keyPair('weak').publicKey };
  const h = createHarness({
    peers: 5,
    stores: { main: {}, broken: {} },
    pluginsOf: (index) => (index === 2 ? ['broken'] : ['main']),
    keyOf: (index) => (index === 0 ? weak : keyPair(`peer ${index}`)),
  });
  const broken = h.stores.get('broken');
  if (broken) broken.failure = new Error('the disk burns');
  for (const index of [3, 4]) h.peer(index).answersAt = farEndpoint(index);
  await h.peer(1).store('not hex at all');
  await h.peer(3).publish({ ipv4: farEndpoint(3), t: 1_800_000_000 });
  await h.peer(4).publish({ ipv4: farEndpoint(4), t: 1_800_000_000 });
  await h.start();
  await h.advance(15_000);
  assert.deepEqual(
    h.device.peers.map((p) => p.phase === 'connected'),
    [false, false, false, true, true],
  );
  assert.equal(peerFault(h.entry(0))?.code, 'ERR_KEY_WEAK');
  assert.equal(peerFault(h.entry(1))?.code, 'ERR_RECORD_MALFORMED');
  assert.match(peerFault(h.entry(2))?.code ?? '', /^ERR_STORE/);
  assert.ok(h.peer(1).ourRecord(), 'its own broken record keeps nobody from writing for it');
});

test('F13 a hung store keeps no other store waiting', async () => {
  const h = createHarness({
    peers: 2,
    stores: { hung: {}, main: {} },
    pluginsOf: (index) => (index === 0 ? ['hung'] : ['main']),
  });
  h.delays.set('hung get', Number.POSITIVE_INFINITY).set('hung set', Number.POSITIVE_INFINITY);
  await h.start();
  await h.connect(1);
  assert.equal(h.entry(1).phase, 'connected');
  assert.ok(h.peer(1).ourRecord());
});

test('F13 a peer with two stores, one of them hung, connects by the other', async () => {
  const h = createHarness({ stores: { hung: {}, main: {} } });
  h.delays.set('hung get', Number.POSITIVE_INFINITY).set('hung set', Number.POSITIVE_INFINITY);
  await h.peer().publish({ ipv4: farEndpoint(0), t: 1_800_000_000 });
  h.peer().answersAt = farEndpoint(0);
  await h.start();
  await h.advance(3_000);
  assert.equal(h.entry().phase, 'connected');
});

test('F13 a write that failed is tried again, sooner than the refresh and ever slower, and found in the log once', async () => {
  const h = createHarness();
  const main = h.stores.get('main');
  if (main) main.failure = new Error('down');
  await h.start();
  await h.advance(60_000);
  const tries = h.only('publish').length;
  // The rest of them was spared by the circuit, as reading found the same.
  assert.ok(tries >= 2 && tries <= 8, `${tries} tries in a minute`);
  assert.equal(h.logger.lines.filter((l) => l.level === 'warn' && l.message.includes('cannot publish')).length, 1);
  if (main) main.failure = undefined;
  await h.advance(20_000);
  assert.ok(h.peer().ourRecord());
});

test('F14 200 peers: at each refresh every peer is read, and every record is written when our mapping changed', async () => {
  const h = createHarness({ peers: 200, refreshIntervalMs: 60_000 });
  await h.start();
  await h.advance(2_000);
  for (const far of h.far) assert.ok(far.ourRecord(), far.name);
  for (let round = 0; round < 2; round += 1) {
    h.mappings.set(4, `203.0.113.9:${41_000 + round}`);
    h.forget();
    await h.session.refresh();
    await h.advance(100);
    assert.equal(new Set(h.only('publish').map((s) => s.to)).size, 200);
    assert.equal(new Set(h.only('get').map((s) => s.to)).size, 200);
    for (const far of h.far) assert.equal(far.ourRecord()?.ipv4?.port, 41_000 + round, far.name);
  }
});

test('F14 fifty refreshes asked for while one runs make exactly one more', async () => {
  const h = createHarness();
  await h.start();
  await h.connect();
  h.forget();
  h.delays.set('main get', 500);
  const first = h.session.refresh();
  await h.advance(10);
  const asked = [first, ...Array.from({ length: 50 }, () => h.session.refresh())];
  await h.advance(390);
  assert.equal(h.only('get').length, 1);
  await h.advance(1_100);
  await Promise.all(asked);
  assert.equal(h.only('discover').length, 2);
  assert.equal(h.only('get').length, 2);
});

test('F15 one discovery per family serves all peers of a device', async () => {
  const h = createHarness({ peers: 20, protocol: 'dualstack', refreshIntervalMs: 60_000 });
  await h.start();
  await h.advance(500);
  assert.deepEqual(
    h
      .only('discover')
      .map((s) => s.to)
      .sort(),
    ['ipv4', 'ipv6'],
  );
  for (const far of h.far) {
    const { ipv4, ipv6 } = far.ourRecord() ?? {};
    assert.deepEqual([ipv4 && formatEndpoint(ipv4), ipv6 && formatEndpoint(ipv6)], [OWN4, OWN6]);
  }
});

test('F15 fifty peers that fail at the same moment cost one discovery', async () => {
  const h = createHarness({ peers: 50, keepaliveSeconds: 25 });
  for (const [index, far] of h.far.entries()) {
    far.answersAt = farEndpoint(index);
    await far.publish({ ipv4: farEndpoint(index), t: 1_800_000_000 });
  }
  await h.start();
  await h.advance(20_000);
  assert.ok(h.device.peers.every((p) => p.phase === 'connected'));
  for (const far of h.far) far.answersAt = undefined;
  const first = () => h.events.find((e) => e.event === 'phase' && e.data['from'] === 'connected');
  h.forget();
  for (let i = 0; i < 300 && !first(); i += 1) await h.advance(1_000);
  await h.advance(1_500);
  assert.ok(h.device.peers.every((p) => p.phase !== 'connected'));
  // The second one is the look for a dead peer, two seconds later.
  const at = h.only('discover').map((s) => s.at);
  assert.ok(at.length <= 2 && (at[1] ?? Number.POSITIVE_INFINITY) - (at[0] ?? 0) >= 1_000, `${at}`);
});

test('F15 a family that fails is left out, named, and tried again; the other one is published', async () => {
  const h = createHarness({ protocol: 'dualstack' });
  h.mappings.set(6, new StunmeshError('ERR_STUN_NO_RESPONSE', 'silence'));
  await h.start();
  await h.advance(1_000);
  const record = h.peer().ourRecord();
  assert.ok(record?.ipv4 && !record.ipv6);
  assert.equal(h.device.faults.get(6)?.code, 'ERR_STUN_NO_RESPONSE');
  h.mappings.set(6, OWN6);
  await h.session.refresh();
  await h.advance(1_000);
  assert.ok(h.peer().ourRecord()?.ipv6);
  assert.equal(h.device.faults.size, 0);
});

test('F15 with no reflexive address at all discovery is tried again, ever slower, never more than once at a time', async () => {
  const h = createHarness();
  h.mappings.set(4, new StunmeshError('ERR_STUN_NO_RESPONSE', 'silence'));
  await h.start();
  await h.advance(60_000);
  const tries = h.only('discover').length;
  assert.ok(tries >= 4 && tries <= 7, `${tries}`);
  h.mappings.set(4, OWN4);
  await h.advance(31_000);
  assert.ok(h.peer().ourRecord());
});

test('F22 a peer with a low-order or all-zero key is refused and nothing is sealed to it', async () => {
  const low = Buffer.alloc(32);
  low[0] = 1;
  for (const text of [`${'A'.repeat(43)}=`, low.toString('base64')]) {
    const publicKey = parsePublicKey(text);
    assert.ok(publicKey);
    const h = createHarness({ keyOf: () => ({ ...keyPair('weak'), publicKey }) });
    await h.start();
    await h.advance(5_000);
    assert.equal(peerFault(h.entry())?.code, 'ERR_KEY_WEAK');
    assert.deepEqual(h.only('publish', 'get', 'set', 'kick', 'renew'), []);
  }
});

test('F42 a host that moved while it was down and lost its state counts on from its own record; one that did not move keeps the count', async () => {
  for (const [mapping, n] of [
    [OWN4, 7],
    ['203.0.113.200:40000', 8],
  ] as const) {
    const first = createHarness();
    await first.start();
    await first.advance(2_000);
    const channel = createChannel(first.own.secretKey, first.peer().keys.publicKey);
    const told = first.peer().ourRecord() ?? assert.fail('nothing was published');
    const { c = assert.fail('no member c') } = told;
    const plain = formatRecord({ ...told, c: { ...c, n: 7 } }).plain;
    const key = storeKey(first.own.publicKey, first.peer().keys.publicKey);
    const again = createHarness({ stored: new Map([[key, channel.seal(plain)]]) });
    again.mappings.set(4, mapping);
    await again.start();
    await again.advance(2_000);
    assert.equal(again.device.generation + again.entry().generationAhead, n);
  }
});
