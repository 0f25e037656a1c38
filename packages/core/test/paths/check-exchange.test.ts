import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { HostCheckBudget, PeerCheckBudget } from '#src/paths/check-budget.js';
import { CheckCodec } from '#src/paths/check-codec.js';
import { CheckIds } from '#src/paths/check-ids.js';
import { CheckReceiver } from '#src/paths/check-receiver.js';
import { PeerChecks } from '#src/paths/peer-checks.js';
import type { PairKeys } from '#src/record/pair-keys.js';
import { keysOfA, keysOfB, unhex, vectors } from './pair.js';

const SECONDS = 1_796_112_000;
const A: Endpoint = { family: 4, address: '203.0.113.11', port: 51_820 };
const B: Endpoint = { family: 6, address: '2001:db8::2', port: 51_820 };

/** What a controller holds for one peer. */
function createSide(keys: PairKeys) {
  const host = new HostCheckBudget();
  const ids = new CheckIds<string>(randomBytes(4), randomBytes);
  const receiver = new CheckReceiver<string>(host);
  receiver.add('peer', keys);
  let now = 0;
  const checks = new PeerChecks({
    smaller: keys.smaller,
    seed: keys.searchSeed,
    preferred: 4,
    upgrade: true,
    budget: new PeerCheckBudget(host),
    createId: () => ids.create(now, 'peer'),
    isLan: () => false,
    lowTtl: () => 3,
  });
  const at = (time: number) => {
    now = time;
    return { now, wall: SECONDS * 1_000 + now, seconds: SECONDS + now / 1_000, clockSane: true };
  };
  return { ids, receiver, checks, codec: new CheckCodec(keys), at };
}

test('bytes go from one machine to the other and back, and a path is valid on both sides', () => {
  const [a, b] = [createSide(keysOfA), createSide(keysOfB)];
  a.checks.onRequest(0, B, { betterPath: false });
  const [send] = a.checks.next(a.at(0)).sends;
  assert.ok(send);
  const request = a.codec.request(send, a.at(0));
  const heard = b.receiver.receive(request, A, b.at(20), () => false);
  assert.ok(typeof heard !== 'string' && heard.answer);
  b.checks.onRequest(20, A, heard.request);
  assert.equal(a.ids.peerOf(40, heard.answer), 'peer');
  const answer = a.codec.answer(heard.answer) ?? assert.fail('no answer');
  assert.deepEqual(answer.mapped, A);
  assert.equal(a.checks.onAnswer(40, answer.transactionId, B), true);
  assert.equal(a.checks.paths(40)[0]?.rttMs, 40);
  const [back] = b.checks.next(b.at(20)).sends;
  assert.equal(back?.ttl, undefined);
  assert.deepEqual(back?.endpoint, A);
});

test('a codec makes the golden requests, also without a clock', () => {
  const codec = new CheckCodec(keysOfA);
  for (const { ab, transactionId, clockSane, seconds, nominated, betterPath, type } of vectors.requests) {
    const made = codec.request(
      { transactionId: unhex(transactionId), nominated, betterPath, type },
      { seconds, clockSane },
    );
    assert.deepEqual(made, unhex(ab));
  }
});

test('F44 ids are kept for ten seconds and not without limit; an answer to none of ours has no peer', () => {
  const ids = new CheckIds<number>(Uint8Array.of(1, 2, 3, 4), randomBytes);
  const message = (id: Uint8Array) => Buffer.concat([Buffer.alloc(8), id]);
  const first = ids.create(0, 7);
  assert.deepEqual(first.subarray(0, 4), Uint8Array.of(1, 2, 3, 4));
  assert.equal(ids.peerOf(10_000, message(first)), 7);
  assert.equal(ids.peerOf(10_001, message(first)), undefined);
  assert.equal(ids.peerOf(0, message(randomBytes(12))), undefined);
  assert.equal(ids.peerOf(0, new Uint8Array(3)), undefined);
  for (let n = 0; n < 8_192; n += 1) ids.create(1, n);
  assert.equal(ids.peerOf(1, message(first)), undefined, 'the oldest made room');
});
