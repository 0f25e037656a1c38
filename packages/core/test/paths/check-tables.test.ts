import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { HostCheckBudget, PeerCheckBudget } from '#src/paths/check-budget.js';
import { checkTag, formatCheckRequest } from '#src/paths/check-message.js';
import { slotOf, TagTable } from '#src/paths/check-tags.js';
import { ReplayCache } from '#src/paths/replay-cache.js';
import { TokenBucket } from '#src/paths/token-bucket.js';
import type { CheckKeys } from '#src/record/pair-keys.js';

const SECONDS = 1_796_112_000;
const createKeys = (): CheckKeys => ({ tagKey: randomBytes(32), macKey: randomBytes(32) });
const request = (keys: CheckKeys, seconds: number, clockSane = true) =>
  formatCheckRequest(keys, checkTag(keys, slotOf(seconds, clockSane)), {
    transactionId: randomBytes(12),
    clockSane,
    nominated: false,
    betterPath: false,
    type: 'host',
    seconds,
  });

test('a table of 1,000 peers knows the slots -2 to +2 and the one without a clock, and follows the time', () => {
  const table = new TagTable<number>();
  const keys = Array.from({ length: 1_000 }, createKeys);
  for (const [i, each] of keys.entries()) table.add(i, () => each);
  const found = (i: number, seconds: number, clockSane = true) =>
    table.lookup(request(keys[i] ?? assert.fail(), seconds, clockSane))?.peer;
  for (const now of [SECONDS, SECONDS + 64, SECONDS + 1_000_000, SECONDS - 500]) {
    assert.equal(table.advance(now), true);
    assert.equal(table.advance(now), false);
    for (const i of [0, 500, 999]) {
      for (const slots of [-2, -1, 0, 1, 2]) assert.equal(found(i, now + slots * 64), i);
      for (const slots of [-3, 3]) assert.equal(found(i, now + slots * 64), undefined);
      assert.equal(found(i, 7, false), i);
    }
    assert.equal(table.prefixes().length >= 5_990, true);
  }
  table.remove(500);
  assert.equal(found(500, SECONDS - 500), undefined);
  assert.equal(found(501, SECONDS - 500), 501);
  table.add(500, () => keys[500] ?? assert.fail());
  table.advance(SECONDS - 500);
  assert.equal(found(500, SECONDS - 500), 500, 'one that comes later is known by the next call');
});

test('F44 an id counts once in 320 s; 512 are kept for a peer, 50,000 in all', () => {
  const cache = new ReplayCache<number>();
  const id = (n: number) => {
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setUint32(4, n);
    return bytes;
  };
  assert.equal(cache.admit(0, 1, id(1)), true);
  assert.equal(cache.admit(319_999, 1, id(1)), false);
  assert.equal(cache.admit(319_999, 2, id(1)), true, 'of another peer it is another one');
  assert.equal(cache.admit(320_000, 1, id(1)), true);
  for (let n = 0; n < 2_000; n += 1) cache.admit(330_000, 3, id(n));
  assert.equal(cache.admit(330_001, 3, id(1_999)), false);
  assert.equal(cache.size, 514);
  for (let peer = 10; peer < 120; peer += 1) for (let n = 0; n < 500; n += 1) cache.admit(340_000 + peer, peer, id(n));
  assert.equal(cache.size, 50_000);
  assert.equal(cache.admit(341_000, 119, id(499)), false, 'the newest ones stay');
  cache.forget(119);
  assert.equal(cache.size, 49_500);
});

test('a bucket gives its burst at once, its rate afterwards, and never more than its burst', () => {
  const bucket = new TokenBucket({ perSecond: 2, burst: 3 });
  const taken = (now: number, n: number) => Array.from({ length: n }, () => bucket.take(now)).filter(Boolean).length;
  assert.equal(taken(0, 10), 3);
  assert.equal(taken(499, 10), 0);
  assert.equal(taken(1_000, 10), 2);
  assert.equal(taken(60_000, 10), 3);
  assert.equal(taken(50_000, 10), 0, 'time that runs backwards gives nothing');
});

test('F44 a peer gets 30 checks a second, 120 a minute, 60 to silent addresses, and 16 new addresses an hour', () => {
  const count = (budget: PeerCheckBudget, ms: number, n: number, answered: boolean, address = 'x') =>
    Array.from({ length: n }, () => budget.send(ms, address, answered)).filter(Boolean).length;
  const fresh = () => new PeerCheckBudget(new HostCheckBudget());
  assert.equal(count(fresh(), 0, 100, true), 30);
  const minute = fresh();
  let sent = 0;
  for (let ms = 0; ms < 60_000; ms += 100) sent += count(minute, ms, 5, true);
  assert.ok(sent >= 238 && sent <= 240, `${sent}: the burst of a minute and its rate`);
  const silent = fresh();
  let asked = 0;
  for (let ms = 0; ms < 60_000; ms += 100) asked += count(silent, ms, 5, false);
  assert.ok(asked >= 118 && asked <= 120, `${asked}`);
  const wide = fresh();
  const admitted = (from: number, ms: number) =>
    Array.from({ length: 30 }, (_, i) => wide.send(ms + 100 * i, `${from + i}`, false)).filter(Boolean).length;
  assert.equal(admitted(0, 0), 16);
  assert.equal(admitted(100, 600_000), 0);
  assert.equal(wide.send(700_000, '3', false), true, 'known ones stay');
  assert.equal(admitted(200, 3_700_000), 16);
});

test('F44 a host sends 500 checks at once and 500 a second, to however many peers', () => {
  const host = new HostCheckBudget();
  const peers = Array.from({ length: 1_000 }, () => new PeerCheckBudget(host));
  const sent = (ms: number) => peers.filter((peer) => peer.send(ms, 'x', false)).length;
  assert.equal(sent(0), 500);
  assert.equal(sent(0), 0);
  assert.equal(sent(1_000), 500);
});
