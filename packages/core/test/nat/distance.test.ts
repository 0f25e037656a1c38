import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { measureDistance } from '#src/nat/distance.js';
import { encodeEcho, parseEcho } from '#src/net/index.js';
import { createFakeCapture, createFakeClock } from '#src/testing/index.js';
import { watch } from '../stun/fake-network.js';

const ADDRESS = '203.0.113.7';

/** The router that holds the address is `hops` away; it answers every n-th ping alone. */
async function measure(hops: number | undefined, options: { readonly every?: number; readonly from?: string } = {}) {
  const clock = createFakeClock();
  const capture = createFakeCapture();
  let pings = 0;
  capture.onEcho = ({ packet, to, device, ttl }) => {
    const echo = parseEcho(4, packet);
    pings += 1;
    assert.deepEqual([to, device], [ADDRESS, 'eth0']);
    if (!echo || hops === undefined || (ttl ?? 64) < hops || pings % (options.every ?? 1) !== 0) return;
    capture.deliverEcho('eth0', 4, encodeEcho(4, { ...echo, kind: 'reply' }), options.from ?? to);
  };
  const outcome = watch(
    measureDistance(
      { underlay: capture, clock, random: (n) => new Uint8Array(n).fill(7) },
      { family: 4, interface: 'eth0', address: ADDRESS, signal: new AbortController().signal },
    ),
    clock,
  );
  await clock.advance(5_000);
  assert.equal(capture.echoSockets.size, 0);
  assert.ok(pings <= 8, `${pings} pings`);
  assert.ok('value' in outcome, String(outcome.error));
  return outcome.value;
}

test('the nearest hop that answers for the address holds it', async () => {
  assert.equal(await measure(1), 1);
  assert.equal(await measure(2), 2);
  assert.equal(await measure(4), 4);
  assert.equal(await measure(5), undefined);
  assert.equal(await measure(undefined), undefined);
});

test('a lost ping is repeated, and what comes from elsewhere is no answer', async () => {
  assert.equal(await measure(1, { every: 5 }), 1);
  assert.equal(await measure(1, { from: '192.0.2.9' }), undefined);
});

test('where no ping can be sent the distance is not told', async () => {
  const capture = createFakeCapture();
  capture.fail('openEchoSocket', new StunmeshError('ERR_CAPTURE_PERMISSION', 'no'));
  const clock = createFakeClock();
  const parts = { underlay: capture, clock, random: (n: number) => new Uint8Array(n) };
  const o = { family: 4, interface: 'eth0', address: ADDRESS, signal: new AbortController().signal } as const;
  assert.equal(await measureDistance(parts, o), undefined);
});
