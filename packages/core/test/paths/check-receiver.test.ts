import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { HostCheckBudget } from '#src/paths/check-budget.js';
import { type CheckRequest, checkTag, formatCheckRequest, parseCheckAnswer } from '#src/paths/check-message.js';
import { CheckReceiver, type Heard, type Now, type Refusal } from '#src/paths/check-receiver.js';
import { slotOf } from '#src/paths/check-tags.js';
import { keysOfA, keysOfB } from './pair.js';

const SECONDS = 1_796_112_000;
const FROM: Endpoint = { family: 4, address: '203.0.113.11', port: 40_000 };
const isConnected = () => false;
let count = 0;

function request(fields: Partial<CheckRequest> = {}, keys = keysOfA.send()): Uint8Array {
  const transactionId = new Uint8Array(12);
  count += 1;
  new DataView(transactionId.buffer).setUint32(8, count);
  const whole: CheckRequest = {
    transactionId,
    clockSane: true,
    nominated: false,
    betterPath: false,
    type: 'reflexive',
    seconds: SECONDS,
    ...fields,
  };
  return formatCheckRequest(keys, checkTag(keys, slotOf(whole.seconds, whole.clockSane)), whole);
}

function createReceiver(): CheckReceiver<string> {
  const receiver = new CheckReceiver<string>(new HostCheckBudget());
  receiver.add('a', keysOfB);
  return receiver;
}
const at = (ms = 0, fields: Partial<Now> = {}): Now => ({
  now: ms,
  seconds: SECONDS + ms / 1000,
  clockSane: true,
  ...fields,
});
const heard = (result: Heard<string> | Refusal): Heard<string> =>
  typeof result === 'string' ? assert.fail(result) : result;

test("a peer's check is answered, with what was seen of it, under the responder's key", () => {
  const bytes = request({ nominated: true });
  const { peer, request: read, answer } = heard(createReceiver().receive(bytes, FROM, at(), isConnected));
  assert.equal(peer, 'a');
  assert.equal(read.nominated, true);
  assert.ok(answer);
  assert.deepEqual(parseCheckAnswer(keysOfA.receive(), answer), {
    transactionId: read.transactionId,
    mapped: FROM,
  });
});

test('F44 10,000 forged requests get no answer, 1,000 replays one each at most, those of the wrong direction none', () => {
  const receiver = createReceiver();
  const good = request();
  for (let i = 0; i < 10_000; i += 1) {
    const forged = Uint8Array.from(good);
    // Every other one keeps a tag that was seen on the wire.
    new DataView(forged.buffer).setUint32(i % 2 === 0 ? 24 : 56, i);
    assert.match(String(receiver.receive(forged, FROM, at(i), isConnected)), /^(unknown|forged)$/);
  }
  const originals = Array.from({ length: 100 }, () => request());
  let answers = 0;
  for (let i = 0; i < 1_000; i += 1) {
    const result = receiver.receive(originals[i % 100] ?? good, FROM, at(10_000 + i), isConnected);
    if (typeof result !== 'string') answers += 1;
    else assert.equal(result, 'replayed');
  }
  assert.equal(answers, 100);
  assert.equal(receiver.receive(request({}, keysOfB.send()), FROM, at(), isConnected), 'unknown');
  assert.equal(receiver.receive(new Uint8Array(72), FROM, at(), isConnected), 'not-a-check');
  assert.equal(receiver.receive(good.subarray(0, 71), FROM, at(), isConnected), 'not-a-check');
  const otherForm = Uint8Array.from(good);
  otherForm[7] = 0;
  assert.equal(receiver.receive(otherForm, FROM, at(), isConnected), 'forged', 'without the cookie');
});

test('clocks may differ by two minutes where both are sane; a host without a clock takes any time', () => {
  const receiver = createReceiver();
  for (const seconds of [SECONDS - 120, SECONDS + 120])
    heard(receiver.receive(request({ seconds }), FROM, at(), isConnected));
  for (const seconds of [SECONDS - 121, SECONDS + 121])
    assert.equal(receiver.receive(request({ seconds }), FROM, at(), isConnected), 'stale');
  assert.equal(receiver.receive(request({ seconds: SECONDS - 400 }), FROM, at(), isConnected), 'unknown');
  const guess = at(0, { clockSane: false, seconds: SECONDS + 128 });
  heard(receiver.receive(request(), FROM, guess, isConnected));
});

test('F44 a host without a clock is heard while it is not connected, and gets one answer a second', () => {
  const receiver = createReceiver();
  const ask = (ms: number) => receiver.receive(request({ clockSane: false, seconds: 5 }), FROM, at(ms), isConnected);
  assert.ok(heard(ask(0)).answer);
  assert.equal(heard(ask(500)).answer, undefined);
  assert.ok(heard(ask(1_001)).answer);
  const bytes = request({ clockSane: false, seconds: 5 });
  assert.equal(
    receiver.receive(bytes, FROM, at(9_000), () => true),
    'no-clock',
  );
});

test('F44 answers are 500 at once and 200 a second, whoever asks', () => {
  const receiver = createReceiver();
  const answered = (ms: number, n: number) =>
    Array.from({ length: n }, () => heard(receiver.receive(request(), FROM, at(ms), isConnected))).filter(
      ({ answer }) => answer,
    ).length;
  assert.equal(answered(0, 600), 500);
  assert.equal(answered(1_000, 600), 200);
});

test('a peer that is removed is unknown, with all its tags', () => {
  const receiver = createReceiver();
  receiver.advance(SECONDS);
  assert.equal(receiver.prefixes().length, 6);
  receiver.remove('a');
  assert.deepEqual(receiver.prefixes(), []);
  assert.equal(receiver.receive(request(), FROM, at(), isConnected), 'unknown');
});
