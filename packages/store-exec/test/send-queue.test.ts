import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createFakeClock } from '@stunmesh/core/testing';
import { createSendQueue } from '#src/send-queue.js';

/** A stream that takes one write at a time, when it is told to. */
function slowStream(highWaterMark: number) {
  const taken: string[] = [];
  let go: (() => void) | undefined;
  const stream = new Writable({
    highWaterMark,
    write(chunk: Buffer, _encoding, callback) {
      taken.push(String(chunk));
      go = callback;
    },
  });
  const next = async () => {
    go?.();
    await createFakeClock().advance(0);
  };
  return { stream, taken, next };
}

test('no more than the limit is on its way; each end makes room for the next, in order', () => {
  const { stream, taken } = slowStream(1000);
  const sendQueue = createSendQueue(stream, 2);
  for (const id of [1, 2, 3, 4, 5]) sendQueue.add(id, `${id}`);
  assert.equal(stream.writableLength, 2);
  sendQueue.over(4);
  sendQueue.over(1);
  assert.equal(stream.writableLength, 3);
  sendQueue.over(2);
  assert.equal(stream.writableLength, 4);
  sendQueue.over(3);
  assert.equal(stream.writableLength, 4);
  assert.deepEqual(taken, ['1']);
});

test('a reader that does not read gets no more than its pipe holds, and nothing that was given up meanwhile', async () => {
  const { stream, taken, next } = slowStream(2);
  const sendQueue = createSendQueue(stream, 64);
  for (const text of ['aa', 'bb', 'cc']) sendQueue.add(text.charCodeAt(0), text);
  assert.equal(stream.writableLength, 2);
  sendQueue.over('b'.charCodeAt(0));
  await next();
  assert.deepEqual(taken, ['aa', 'cc']);
});

test('once stopped it sends nothing, though room is made and the reader is ready', async () => {
  const { stream, taken, next } = slowStream(1000);
  const sendQueue = createSendQueue(stream, 1);
  sendQueue.add(1, 'aa');
  sendQueue.add(2, 'bb');
  sendQueue.stop();
  sendQueue.over(1);
  await next();
  await next();
  assert.deepEqual(taken, ['aa']);
  assert.equal(stream.writableLength, 0);
});
