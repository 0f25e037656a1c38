/** Echoes into tunnels: which replies count, and how long a socket lives (F28). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEchoes } from '#src/controllers/ping-monitor/echoes.js';
import { encodeEcho, parseEcho } from '#src/net/index.js';
import { createFakeCapture, createFakeClock } from '#src/testing/index.js';

test('F28 a reply counts only with the right id, sequence, nonce and source, and once', async () => {
  const capture = createFakeCapture();
  const clock = createFakeClock(0);
  await using echoes = createEchoes(capture, clock);
  const replies: number[] = [];
  await echoes.send({ device: 'wg0', to: '10.0.0.2', onReply: (ms) => replies.push(ms) });
  const asked = parseEcho(4, capture.echoes[0]?.packet ?? new Uint8Array());
  assert.ok(asked);
  const right = { ...asked, kind: 'reply' } as const;
  const deliver = (echo: Parameters<typeof encodeEcho>[1], from = '10.0.0.2') =>
    capture.deliverEcho('wg0', 4, encodeEcho(4, echo), from);
  deliver(asked);
  deliver({ ...right, id: right.id ^ 1 });
  deliver({ ...right, sequence: right.sequence + 1 });
  deliver({ ...right, payload: new Uint8Array(8) });
  deliver(right, '10.0.0.3');
  assert.equal(capture.deliverEcho('wg0', 4, Uint8Array.of(1, 2, 3), '10.0.0.2'), 1);
  assert.deepEqual(replies, []);
  await clock.advance(30);
  deliver(right);
  deliver(right);
  assert.deepEqual(replies, [30]);
});

test('F28 an echo socket whose device vanished is closed, and one that nobody uses too; the next echo opens another', async () => {
  const capture = createFakeCapture();
  const clock = createFakeClock(0);
  await using echoes = createEchoes(capture, clock);
  const send = () => echoes.send({ device: 'wg0', to: '10.0.0.2', onReply() {} });
  await send();
  capture.loseDevice('wg0');
  await clock.advance(0);
  await assert.rejects(send(), { code: 'ERR_CAPTURE_OPEN' });
  capture.setInterfaces([{ name: 'wg0', index: 9, up: true, loopback: false, addresses: [] }]);
  await send();
  assert.equal(capture.echoSockets.size, 1);
  await clock.advance(60_000);
  await echoes.tidy();
  assert.equal(capture.echoSockets.size, 1);
  await clock.advance(1);
  await echoes.tidy();
  assert.equal(capture.echoSockets.size, 0);
});
