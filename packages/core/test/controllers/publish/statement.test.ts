/** What our records tell, and when they are written again: the member c, its time, the mark, and long records. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPair } from '#src/record/pair.js';
import { bearsMark } from '#src/record/reader-mark.js';
import { storeKey } from '#src/record/store-key.js';
import { createHarness, farEndpoint, type Harness, OWN4, WALL_START } from '../harness.js';

const NOW = WALL_START / 1000;
const SHORT = { maxValueBytes: 255, maxLongValue: 2_000 };
const OWN6 = '[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:51820';

async function started(options: Parameters<typeof createHarness>[0] = {}): Promise<Harness> {
  const h = createHarness(options);
  if (options.protocol === 'dualstack') h.mappings.set(6, OWN6);
  await h.start();
  await h.advance(2_000);
  return h;
}

test('F20 F21 a record of ours tells time, generation, sender and clock in its member c, and has no other members', async () => {
  const h = await started();
  const record = h.peer().ourRecord() ?? assert.fail('nothing published');
  assert.equal(record.c?.t, NOW);
  assert.equal(record.f, Buffer.from(h.own.publicKey, 'base64').subarray(0, 4).toString('hex'));
  assert.deepEqual([record.c?.readsLong, record.c?.clockSane, record.c?.ack], [true, true, undefined]);
  assert.deepEqual(Object.keys(record).sort(), ['c', 'f', 'ipv4', 'n', 'problems', 't']);
});

test('a clock that is not set is told', async () => {
  const h = await started({ wallStart: Date.UTC(1970, 0, 2) });
  assert.equal(h.peer().ourRecord()?.c?.clockSane, false);
});

test('every record of ours bears the mark by which the peer knows that we read long ones', async () => {
  const h = await started();
  const { keys } = h.peer();
  const { keys: pair } = createPair(keys.secretKey, keys.publicKey, h.own.publicKey);
  const first = h.peer().ourSealed() ?? '';
  assert.equal(bearsMark(pair.readerMark('peer'), first), true);
  assert.equal(bearsMark(pair.readerMark('own'), first), false);
  h.mappings.set(4, '203.0.113.9:47777');
  await h.session.refresh();
  assert.notEqual(h.peer().ourSealed(), first);
  assert.equal(bearsMark(pair.readerMark('peer'), h.peer().ourSealed() ?? ''), true);
});

test('F36 a short store gets a long record once a record of the peer bears the mark, and a short one when it bears none any more', async () => {
  const h = await started({ protocol: 'dualstack', stores: { main: SHORT } });
  const far = h.peer();
  assert.ok((far.ourSealed() ?? '').length <= 255);
  assert.equal(far.ourRecord()?.c, undefined);
  assert.deepEqual(h.snapshot().devices[0]?.peers[0]?.published?.omitted, ['c']);
  const { channel } = createPair(far.keys.secretKey, far.keys.publicKey, h.own.publicKey);
  await far.store(channel.seal(JSON.stringify({ ipv4: farEndpoint(0) })));
  await h.advance(30_000);
  assert.equal(far.ourRecord()?.f, h.peer().ourRecord()?.c?.f);
  assert.ok((far.ourSealed() ?? '').length > 255);
  assert.deepEqual(h.snapshot().devices[0]?.peers[0]?.published?.omitted, []);
  await far.publish({ ipv4: farEndpoint(0), f: null });
  await h.advance(30_000);
  assert.ok((far.ourSealed() ?? '').length <= 255, 'the peer runs an older program now');
});

test('F36 a peer whose member c says that it reads long records is believed, also through another store', async () => {
  const h = await started({ protocol: 'dualstack', stores: { main: SHORT, other: {} } });
  assert.equal(h.peer().ourRecord('main')?.c, undefined);
  await h.peer().publish({ ipv4: farEndpoint(0), t: NOW }, 'other');
  await h.advance(30_000);
  assert.ok(h.peer().ourRecord('main')?.c);
});

test('F21 the same statement has the same time in all stores, and a new one a later time', async () => {
  const h = await started({ stores: { main: {}, other: {} } });
  const times = () => ['main', 'other'].map((store) => h.peer().ourRecord(store)?.t);
  assert.deepEqual(times(), [NOW, NOW]);
  h.mappings.set(4, '203.0.113.9:47777');
  await h.session.refresh();
  const [main, other] = times();
  assert.equal(main, other);
  assert.ok((main ?? 0) > NOW);
});

test('F21 where one store holds a later time of ours, both get a later one', async () => {
  const former = await started({ wallStart: WALL_START + 3_600_000 });
  const key = storeKey(former.own.publicKey, former.peer().keys.publicKey);
  const stored = new Map([[key, former.peer().ourSealed() ?? '']]);
  const h = createHarness({ stores: { main: {}, other: {} }, stored });
  h.stores.get('main')?.records.clear();
  h.mappings.set(4, '203.0.113.9:47777');
  await h.start();
  await h.advance(5_000);
  const times = ['main', 'other'].map((store) => h.peer().ourRecord(store)?.t ?? 0);
  assert.ok(
    times.every((t) => t > NOW + 3_600),
    `${times}`,
  );
  assert.equal(h.peer().ourRecord('main')?.ipv4?.port, 47_777);
  assert.notEqual(OWN4, '203.0.113.9:47777');
});
