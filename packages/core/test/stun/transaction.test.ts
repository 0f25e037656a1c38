import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { changeRequestAttribute, errorCodeAttribute, readChangeRequest } from '#src/stun/attributes.js';
import { formatMessage, type MessageClass, parseMessage, type StunMessage } from '#src/stun/message.js';
import { startTransaction, type TransactionOptions } from '#src/stun/transaction.js';
import { createFakeClock } from '#src/testing/index.js';
import { endpoint, LISTEN_PORT, watch } from './fake-network.js';

const SERVER = endpoint('198.51.100.1:3478');
const HERE = endpoint(`0.0.0.0:${LISTEN_PORT}`);

function start(options: Partial<TransactionOptions> = {}) {
  const clock = createFakeClock();
  const abort = new AbortController();
  const sent: { atMs: number; hex: string }[] = [];
  const transaction = startTransaction({
    server: SERVER,
    listenPort: LISTEN_PORT,
    send: async (bytes) => {
      sent.push({ atMs: clock.now(), hex: Buffer.from(bytes).toString('hex') });
    },
    clock,
    random: (n) => Uint8Array.from({ length: n }, (_, i) => i + 1),
    signal: abort.signal,
    ...options,
  });
  return { clock, abort, sent, transaction, outcome: watch(transaction.answer, clock) };
}

const message = (change: Partial<StunMessage> = {}): StunMessage => ({
  class: 'success',
  method: 1,
  transactionId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
  attributes: [],
  ...change,
});
const event = (m: StunMessage, from = SERVER, to = HERE) => ({ message: formatMessage(m), from, to });

test('a request is sent 7 times at the moments of RFC 8489 6.2.1, the same bytes each, and given up after 39.5 s', async () => {
  const { clock, sent, outcome } = start();
  await clock.advance(39_499);
  assert.deepEqual(
    sent.map((s) => s.atMs),
    [0, 500, 1500, 3500, 7500, 15500, 31500],
  );
  assert.equal(new Set(sent.map((s) => s.hex)).size, 1);
  assert.equal(sent[0]?.hex, '000100002112a4420102030405060708090a0b0c');
  assert.equal(outcome.error, undefined);
  await clock.advance(1);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_NO_RESPONSE'));
  assert.match(String(outcome.error), /198\.51\.100\.1:3478/);
  assert.equal(clock.pending, 0);
});

test('F3 a transaction id begins with the prefix of its socket', () => {
  const { sent } = start({ prefix: Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd) });
  assert.equal(sent[0]?.hex, '000100002112a442aabbccdd0102030405060708');
});

test('the overall limit ends a transaction early', async () => {
  const { clock, sent, outcome } = start({ timeoutMs: 2000 });
  await clock.advance(60_000);
  assert.equal(outcome.atMs, 2000);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_NO_RESPONSE'));
  assert.equal(sent.length, 3);
  assert.equal(clock.pending, 0);
});

test('an answer ends the transaction, its timers and its retransmissions', async () => {
  const { clock, sent, transaction, outcome } = start();
  await clock.advance(700);
  assert.equal(transaction.accept(event(message()), message()), true);
  await clock.advance(60_000);
  assert.equal(outcome.value?.rttMs, 700);
  assert.deepEqual(outcome.value?.from, SERVER);
  assert.equal(sent.length, 2);
  assert.equal(clock.pending, 0);
  assert.equal(transaction.accept(event(message()), message()), false);
});

test('F1 a reply of a wrong id, class, method, source or destination port is ignored and ends nothing', async () => {
  const { clock, transaction, outcome } = start();
  const otherId = message({ transactionId: new Uint8Array(12) });
  const wrong: [string, ReturnType<typeof event>, StunMessage][] = [
    ['id', event(otherId), otherId],
    ['error with a foreign id', event({ ...otherId, class: 'error' }), { ...otherId, class: 'error' }],
    ['request', event(message({ class: 'request' })), message({ class: 'request' })],
    ['indication', event(message({ class: 'indication' })), message({ class: 'indication' })],
    ['method', event(message({ method: 3 })), message({ method: 3 })],
    ['source address', event(message(), endpoint('198.51.100.2:3478')), message()],
    ['source port', event(message(), endpoint('198.51.100.1:3479')), message()],
    ['source family', event(message(), endpoint('[2001:db8::1]:3478')), message()],
    ['destination port', event(message(), SERVER, endpoint(`0.0.0.0:${LISTEN_PORT + 1}`)), message()],
    ['error from elsewhere', event(message(), endpoint('198.51.100.2:3478')), message({ class: 'error' })],
  ];
  for (const [what, e, m] of wrong) {
    assert.equal(transaction.accept(e, m), false, what);
    await clock.advance(1);
    assert.equal(outcome.atMs, undefined, what);
  }
  assert.equal(transaction.accept(event(message()), message()), true);
  await clock.advance(0);
  assert.ok(outcome.value);
});

test('F1 fuzz: no message that differs in id, class, source or port ends a transaction', async () => {
  const { clock, transaction, outcome } = start();
  const kinds = fc.constantFrom<MessageClass>('request', 'indication', 'success', 'error');
  fc.assert(
    fc.property(kinds, fc.boolean(), fc.integer({ min: 1, max: 65535 }), fc.boolean(), (kind, foreign, port, here) => {
      const m = message({ class: kind, ...(foreign ? { transactionId: randomBytes(12) } : {}) });
      const right = (kind === 'success' || kind === 'error') && !foreign && port === SERVER.port && here;
      fc.pre(!right);
      const to = here ? HERE : endpoint('0.0.0.0:1');
      assert.equal(transaction.accept(event(m, { ...SERVER, port }, to), m), false);
    }),
  );
  await clock.advance(10);
  assert.equal(outcome.atMs, undefined);
});

test("F1 a reply to another port counts where the capture knows that this host's firewall rewrote it, and only the right one", async () => {
  const { clock, transaction, outcome } = start();
  const elsewhere = endpoint(`0.0.0.0:${LISTEN_PORT + 1}`);
  const otherId = message({ transactionId: new Uint8Array(12) });
  assert.equal(transaction.accept({ ...event(otherId, SERVER, elsewhere), rewritten: true }, otherId), false);
  const other = endpoint('198.51.100.2:3478');
  assert.equal(transaction.accept({ ...event(message(), other, elsewhere), rewritten: true }, message()), false);
  assert.equal(transaction.accept({ ...event(message(), SERVER, elsewhere), rewritten: true }, message()), true);
  await clock.advance(0);
  assert.ok(outcome.value);
});

test('F1 with CHANGE-REQUEST the reply may come from the other addresses given, and from no third one', async () => {
  const other = endpoint('198.51.100.2:3479');
  const change = { changeIp: true, changePort: true };
  const { clock, sent, transaction, outcome } = start({
    sources: [other],
    attributes: [changeRequestAttribute(change)],
  });
  await clock.advance(0);
  const request = parseMessage(Buffer.from(sent[0]?.hex ?? '', 'hex'));
  assert.deepEqual(request && readChangeRequest(request), change);
  assert.equal(transaction.accept(event(message()), message()), false);
  assert.equal(transaction.accept(event(message(), other), message()), true);
  await clock.advance(0);
  assert.deepEqual(outcome.value?.from, other);
});

test('an error response from the right source with the right id is the server’s word', async () => {
  const { clock, transaction, outcome } = start();
  const attributes = [errorCodeAttribute({ code: 401, reason: 'Unauthorized' })];
  const m = message({ class: 'error', attributes });
  assert.equal(transaction.accept(event(m), m), true);
  await clock.advance(0);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_REFUSED'));
  assert.match(String(outcome.error), /198\.51\.100\.1:3478 answered error 401 Unauthorized/);
  assert.equal(clock.pending, 0);
});

test('a success response that needs an attribute unknown here is no answer (RFC 8489 6.3.3)', async () => {
  const { clock, transaction, outcome } = start();
  const m = message({ attributes: [{ type: 0x7f01, value: new Uint8Array(4) }] });
  assert.equal(transaction.accept(event(m), m), true);
  await clock.advance(0);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_REFUSED'));
  assert.match(String(outcome.error), /0x7f01/);
});

test('an abort ends it with the signal’s reason and leaves no timer', async () => {
  const { clock, abort, outcome } = start();
  await clock.advance(100);
  abort.abort(new StunmeshError('ERR_CLOSED', 'stop'));
  await clock.advance(0);
  assert.ok(hasCode(outcome.error, 'ERR_CLOSED'));
  assert.equal(clock.pending, 0);
  const early = start({ signal: AbortSignal.abort(new StunmeshError('ERR_CLOSED', 'stop')) });
  await early.clock.advance(0);
  assert.ok(hasCode(early.outcome.error, 'ERR_CLOSED'));
  assert.equal(early.sent.length, 0);
  assert.equal(early.clock.pending, 0);
});

test('a send that hangs does not hold up the next ones', async () => {
  let sends = 0;
  const { clock } = start({
    send: () => {
      sends += 1;
      return new Promise(() => {});
    },
  });
  await clock.advance(1500);
  assert.equal(sends, 3);
});

test('F6b a first request that is blocked, or has no route, ends the transaction at once', async () => {
  for (const code of ['ERR_CAPTURE_BLOCKED', 'ERR_CAPTURE_UNREACHABLE'] as const) {
    const { clock, outcome } = start({ send: () => Promise.reject(new StunmeshError(code, 'no')) });
    await clock.advance(0);
    assert.ok(hasCode(outcome.error, code));
    assert.equal(clock.pending, 0);
  }
});

test('a later request that is blocked leaves the earlier one its chance', async () => {
  let sends = 0;
  const { clock, transaction, outcome } = start({
    send: async () => {
      sends += 1;
      if (sends > 1) throw new StunmeshError('ERR_CAPTURE_BLOCKED', 'no');
    },
  });
  await clock.advance(600);
  assert.equal(outcome.atMs, undefined);
  transaction.accept(event(message()), message());
  await clock.advance(0);
  assert.ok(outcome.value);
});

test('a send that fails for want of buffers is tried again, and named if it never works', async () => {
  let sends = 0;
  const passing = start({
    send: async () => {
      sends += 1;
      if (sends === 1) throw new StunmeshError('ERR_CAPTURE_SEND', 'no buffers');
    },
  });
  await passing.clock.advance(600);
  passing.transaction.accept(event(message()), message());
  await passing.clock.advance(0);
  assert.ok(passing.outcome.value);
  const never = start({ timeoutMs: 1000, send: () => Promise.reject(new Error('odd')) });
  await never.clock.advance(1000);
  assert.ok(hasCode(never.outcome.error, 'ERR_CAPTURE_SEND'));
});
