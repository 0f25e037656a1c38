import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { readMappedAddress } from '#src/stun/attributes.js';
import { formatMessage, parseMessage } from '#src/stun/message.js';
import { startTransaction } from '#src/stun/transaction.js';
import { createFakeClock } from '#src/testing/index.js';

/** The STUN server that the scenario for FreeBSD brings along. */
const { answerTo } = (await import(new URL('../../../../test/freebsd/stun-answer.mjs', import.meta.url).href)) as {
  answerTo(request: Buffer, from: { address: string; port: number }): Buffer | undefined;
};

test("the scenario's STUN server and a transaction understand each other", async () => {
  const server: Endpoint = { family: 4, address: '192.0.2.1', port: 3478 };
  for (const [address, port] of [
    ['198.51.100.2', 51820],
    ['255.254.253.252', 65535],
    ['1.0.0.1', 1],
  ] as const) {
    const transaction = startTransaction({
      server,
      listenPort: 51820,
      clock: createFakeClock(),
      random: randomBytes,
      signal: new AbortController().signal,
      async send(message) {
        const answer = answerTo(Buffer.from(message), { address, port });
        assert.ok(answer);
        const parsed = parseMessage(answer);
        assert.ok(parsed);
        const to: Endpoint = { family: 4, address: '10.1.1.2', port: 51820 };
        queueMicrotask(() => assert.ok(transaction.accept({ message: answer, from: server, to }, parsed)));
      },
    });
    const { message } = await transaction.answer;
    assert.deepEqual(readMappedAddress(message), { family: 4, address, port });
  }
});

test("the scenario's STUN server answers binding requests alone", () => {
  const from = { address: '198.51.100.2', port: 51820 };
  const request = Buffer.from(
    formatMessage({ class: 'request', method: 1, transactionId: randomBytes(12), attributes: [] }),
  );
  assert.ok(answerTo(request, from));
  const changed = (at: number, byte: number) => {
    const copy = Buffer.from(request);
    copy[at] = byte;
    return copy;
  };
  for (const other of [Buffer.alloc(0), request.subarray(0, 19), changed(0, 1), changed(4, 0), changed(3, 4)])
    assert.equal(answerTo(other, from), undefined);
  assert.equal(answerTo(request, { address: '2001:db8::1', port: 1 }), undefined);
});
