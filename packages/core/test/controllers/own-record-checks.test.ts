/** Our own records are looked after: another host with our key is noticed soon, a lost record is written anew, and few calls do it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createOwnRecordChecks } from '#src/controllers/publish/own-record-checks.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { codedPlain } from '../record/coded.js';
import { createHarness, farEndpoint, type Harness, OWN4 } from './harness.js';

const T = 1_800_000_000;
const { signal } = new AbortController();

const ownKey = (h: Harness, index = 0) => storeKey(h.own.publicKey, h.peer(index).keys.publicKey);
const ownReads = (h: Harness, index = 0) => h.only('get').filter(({ to }) => to.endsWith(ownKey(h, index)));

/** Another host with our key, or another daemon, publishes over our record for peer 0. */
async function overwrite(h: Harness, ipv4 = '192.0.2.200:51820'): Promise<void> {
  const channel = createChannel(h.own.secretKey, h.peer().keys.publicKey);
  const t = (h.peer().ourRecord()?.t ?? 0) + 1 + Math.ceil(h.clock.now() / 1000);
  const plain = codedPlain({ ipv4 }, { t, n: 3, f: fingerprint(h.own.publicKey) });
  await h.stores.get('main')?.set(ownKey(h), channel.seal(plain), { signal });
}

async function connected(options: Parameters<typeof createHarness>[0] = {}): Promise<Harness> {
  const h = createHarness({ keepaliveSeconds: 25, refreshIntervalMs: 3_600_000, ...options });
  await h.start();
  for (let i = 0; i < (options.peers ?? 1); i += 1) await h.connect(i);
  await h.live(60_000);
  return h;
}

async function untilLost(h: Harness): Promise<void> {
  h.peer().answersAt = undefined;
  while (h.entry().phase === 'connected') await h.advance(1_000);
}

test('one key on two hosts is told as soon as the peer has gone over to the other one, not at the next refresh', async () => {
  const h = await connected();
  await overwrite(h);
  await untilLost(h);
  await h.advance(500);
  assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError?.code, 'ERR_KEY_SHARED');
});

test('one key on two hosts is told within eleven seconds where the other one publishes while the peer is looked for', async () => {
  const h = await connected();
  await untilLost(h);
  await h.advance(3_000);
  await overwrite(h);
  await h.advance(11_000);
  assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError?.code, 'ERR_KEY_SHARED');
});

test('F12 records that a store lost with all others are written anew at once, though all are connected', async () => {
  const h = await connected({ refreshIntervalMs: 60_000 });
  h.stores.get('main')?.records.clear();
  h.forget();
  await h.live(60_000);
  assert.equal(h.entry().phase, 'connected');
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 40_000);
  assert.equal(h.only('publish').length, 1);
});

test('F12 F73 a store whose place is gone is written to again, so that the fault is of writing, and over with it', async () => {
  const h = await connected({ refreshIntervalMs: 60_000 });
  const main = h.stores.get('main') ?? assert.fail();
  main.failure = new StunmeshError('ERR_STORE_UNAVAILABLE', 'the folder is gone');
  await h.live(60_000);
  assert.equal(h.entry().writeFaults.get('main')?.code, 'ERR_STORE_UNAVAILABLE');
  main.records.clear();
  main.failure = undefined;
  await h.live(60_000);
  assert.equal(h.entry().writeFaults.size, 0);
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 40_000);
});

test('F77 sixteen peers that are lost together are looked after eight in a second, and each ever more seldom', async () => {
  const h = await connected({ peers: 16 });
  for (const side of h.far) side.answersAt = undefined;
  h.forget();
  await h.advance(300_000);
  assert.ok(h.device.peers.every(({ phase }) => phase !== 'connected'));
  const reads = h.far.flatMap((_, index) => ownReads(h, index).map(({ at }) => at));
  const busiest = Math.max(...reads.map((from) => reads.filter((at) => at >= from && at < from + 1_000).length));
  assert.ok(busiest <= 16, `${busiest} in a second`);
  assert.ok(reads.length >= 4 * 16 && reads.length <= 12 * 16, `${reads.length / 16} a peer in five minutes`);
});

test('F23 where a store allows few reads our own record takes one of six', async () => {
  const h = createHarness({ stores: { main: { minPollMs: 30_000 } }, watch: false });
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(5_000);
  h.forget();
  await h.advance(600_000);
  assert.ok(ownReads(h).length >= 2 && ownReads(h).length <= 4, `${ownReads(h).length}`);
});

test('F38 a second daemon of the device, which nothing but its records shows, is told as such, and no other host is named', async () => {
  const h = await connected({ refreshIntervalMs: 60_000 });
  await overwrite(h, OWN4);
  await h.live(60_000);
  const shown = h.snapshot().devices[0]?.peers[0]?.lastError;
  assert.equal(shown?.code, 'ERR_LOCKED');
  assert.match(shown?.message ?? '', /another stunmesh serves wg0: .*our very address 203\.0\.113\.9:40000/);
});

test('F38 F79 our own record from before a crash, newer than the state that was kept, is no second daemon', async () => {
  const before = await connected();
  const state = before.state() as { t: number };
  const stored = new Map(before.stores.get('main')?.records);
  const h = createHarness({ stored, state: { ...state, t: state.t - 5 } });
  await h.start();
  await h.advance(3_000);
  assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError, undefined);
});

test('one key on two hosts: once the other one has gone, the record follows the tunnel, and the fault is over', async () => {
  const h = await connected();
  await overwrite(h);
  await untilLost(h);
  await h.advance(5_000);
  h.peer().answersAt = farEndpoint(0);
  h.forget();
  await h.live(60_000);
  assert.equal(h.entry().phase, 'connected');
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 40_000);
  assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError?.code, 'ERR_KEY_SHARED', 'for a while');
  await h.live(120_000);
  assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError, undefined);
  assert.equal(h.only('publish').length, 1);
});

test('F42 one key on two hosts: nobody writes against a host that goes on writing', async () => {
  const h = await connected();
  await overwrite(h);
  await untilLost(h);
  h.peer().answersAt = farEndpoint(0);
  h.forget();
  for (let i = 0; i < 12; i += 1) {
    await h.live(8_000);
    await overwrite(h);
  }
  assert.equal(h.snapshot().devices[0]?.peers[0]?.lastError?.code, 'ERR_KEY_SHARED');
  assert.equal(h.only('publish').length, 0);
});

test('F77 a store that fails for a whole crowd at once has nobody walk the crowd for each of its peers', async () => {
  const h = createHarness({ peers: 1, watch: false });
  await h.start();
  await h.advance(1_000);
  const [peer] = h.device.peers;
  let walks = 0;
  const counted = new Proxy([...h.device.peers], {
    get(target, name, receiver) {
      if (name === Symbol.iterator || name === 'filter') walks += 1;
      return Reflect.get(target, name, receiver);
    },
  });
  const checks = createOwnRecordChecks({
    device: { ...h.device, peers: counted },
    clock: h.clock,
    stores: new Map(),
    ownRecord: { check: async () => false },
    watches: { isTold: () => false },
    lost() {},
  });
  for (let i = 0; i < 1_000; i += 1) await checks.soon(peer ?? assert.fail());
  assert.equal(walks, 0);
  await checks.due();
  assert.equal(walks, 1);
});
