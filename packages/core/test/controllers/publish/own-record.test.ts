/** Our own record as a store holds it, which the peer it is for can forge (F78), and what a state file claims (F19). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEndpoint } from '#src/net/index.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { codedPlain } from '../../record/coded.js';
import { createHarness, farEndpoint, type Harness, OWN4, WALL_START } from '../harness.js';

const NOW = WALL_START / 1000;
const DAY = 86_400;
const WEEK = 7 * DAY;

/** What the store holds when peer 0 has put a record into the place of ours for it. */
function forgedBy(t: number, n: number, nat?: string): Map<string, string> {
  const former = createHarness({ peers: 2 });
  const { keys } = former.peer(0);
  const channel = createChannel(keys.secretKey, former.own.publicKey);
  const f = fingerprint(former.own.publicKey);
  const plain = codedPlain({ ipv4: OWN4 }, { t, n, f, ...(nat ? { nat } : {}) });
  return new Map([[storeKey(former.own.publicKey, keys.publicKey), channel.seal(plain)]]);
}

async function life(options: Parameters<typeof createHarness>[0]): Promise<Harness> {
  const h = createHarness({ peers: 2, ...options });
  await h.start();
  await h.advance(2_000);
  h.mappings.set(4, '203.0.113.9:47777');
  await h.session.refresh();
  await h.advance(1_000);
  return h;
}

test('F78 a forged record of ours in the place of one peer changes neither time nor generation of the others', async () => {
  const h = await life({ stored: forgedBy(2 ** 40 - 1, 0xffff) });
  const other = h.peer(1).ourRecord();
  assert.ok((other?.t ?? 0) < NOW + 60, `${other?.t}`);
  assert.ok((other?.n ?? 0) < 10, `${other?.n}`);
  const its = h.peer(0).ourRecord();
  assert.ok((its?.t ?? 0) <= NOW + WEEK + 60, `clamped for the forger too: ${its?.t}`);
  assert.ok((its?.n ?? 0) < 10, `${its?.n}`);
  const state = h.state() as { t: number; n: number };
  assert.ok(state.t < NOW + 60 && state.n < 10, JSON.stringify(state));
});

test('F78 within days of our clock a record of ours is believed: time and generation go on from it, for its peer alone', async () => {
  const h = await life({ stored: forgedBy(NOW + DAY, 40) });
  assert.ok((h.peer(0).ourRecord()?.t ?? 0) > NOW + DAY);
  assert.ok((h.peer(0).ourRecord()?.n ?? 0) > 40);
  assert.ok((h.peer(1).ourRecord()?.t ?? 0) < NOW + 60);
  assert.ok((h.peer(1).ourRecord()?.n ?? 0) < 40);
});

test('F78 a time ahead for one peer is kept in the state, so that a restart goes on from it', async () => {
  const first = await life({ stored: forgedBy(NOW + DAY, 40) });
  const before = first.peer(0).ourRecord()?.t ?? 0;
  const second = await life({ state: first.state() });
  assert.ok((second.peer(0).ourRecord()?.t ?? 0) > before);
});

test('F78 a time in the state file that is far ahead of the clock is cut to a week', async () => {
  const h = await life({ state: { version: 1, t: Number.MAX_SAFE_INTEGER, n: Number.MAX_SAFE_INTEGER, peers: {} } });
  const told = h.peer(0).ourRecord();
  assert.ok((told?.t ?? 0) <= NOW + WEEK + 60, `${told?.t}`);
  assert.ok((told?.n ?? 0) < 10, `${told?.n}`);
});

test('F78 what a forged record of ours says of our NAT is told to nobody', async () => {
  const h = await life({ stored: forgedBy(NOW, 1, '4ppc') });
  assert.equal(h.device.nat.size, 0);
  for (const peer of [0, 1]) assert.equal(h.peer(peer).ourRecord()?.c?.mapping4, 'unknown');
});

const REFUSED: readonly [string, string][] = [
  ['loopback', '127.0.0.1:5000'],
  ['an address whose route is the tunnel itself', '10.99.7.7:5000'],
  ['this very host and port', '192.168.1.2:51820'],
  ['port 0', '192.0.2.1:0'],
];

for (const [what, proven] of REFUSED) {
  test(`F19 an endpoint in the state file that is ${what} is never used`, async () => {
    const { publicKey } = createHarness().peer().keys;
    const h = createHarness({ state: { version: 1, n: 0, peers: { [publicKey]: { proven } } } });
    h.capture.setRoute('10.99.7.7', { interface: 'wg0', source: '10.99.0.1' });
    await h.start();
    await h.advance(70_000);
    assert.deepEqual(h.only('set', 'renew', 'punch', 'kick'), []);
    assert.equal(h.entry().proven, undefined);
  });
}

test('F19 an endpoint in the state file against which nothing speaks is tried, and kept', async () => {
  const { publicKey } = createHarness().peer().keys;
  const state = { version: 1, n: 0, peers: { [publicKey]: { proven: farEndpoint(0) } } };
  const h = createHarness({ state });
  h.peer().answersAt = farEndpoint(0);
  await h.start();
  await h.advance(3_000);
  assert.equal(h.entry().phase, 'connected');
  assert.equal(h.entry().proven && formatEndpoint(h.entry().proven ?? assert.fail()), farEndpoint(0));
  assert.deepEqual(createHarness({ state }).state(), { version: 1, n: 0, peers: state.peers });
});
