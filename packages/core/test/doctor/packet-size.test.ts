/** Doctor's pings of full size: what passes a tunnel, which MTU to set, and what silence means. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import type { Finding } from '#src/doctor/finding.js';
import { findPacketSize } from '#src/doctor/packet-size.js';
import { encodeEcho, parseEcho } from '#src/net/index.js';
import { createFakeCapture, createFakeClock } from '#src/testing/index.js';
import { createHarness, type Harness, snapshotOf } from './harness.js';

const ABOUT = /full size|bytes pass|pings to/;
const sizes = (found: readonly Finding[]) => found.filter(({ check, text }) => check === 'peer' && ABOUT.test(text));

async function sizeOf(t: Parameters<typeof createHarness>[0], change: (p: Harness) => void) {
  const harness = createHarness(t);
  change(harness);
  const [found, ...more] = sizes(await harness.examine());
  assert.deepEqual(more, []);
  const sent = harness.capture.echoes.filter(({ device }) => device === 'wg0');
  return { found, sent };
}

test('a tunnel that takes packets of full size is well after two pings', async (t) => {
  const { found, sent } = await sizeOf(t, () => {});
  assert.deepEqual(
    [found?.verdict, found?.text],
    ['ok', 'packets of full size (1420 bytes) pass to 10.0.0.2 and back'],
  );
  assert.deepEqual(
    sent.map(({ packet, to }) => [packet.length + 20, to]),
    [
      [64, '10.0.0.2'],
      [1420, '10.0.0.2'],
    ],
  );
});

test('large packets that are lost while pings pass: the size that passes, and the MTU to set, after a bounded number of pings', async (t) => {
  for (const [largest, passed] of [
    [1_412, 1_408],
    [1_280, 1_280],
    [577, 576],
    [64, 64],
  ] as const) {
    const { found, sent } = await sizeOf(t, (p) => {
      p.largest = largest;
    });
    assert.equal(found?.verdict, 'fault');
    assert.match(
      found.text,
      new RegExp(`^packets of up to ${passed} bytes pass to 10\\.0\\.0\\.2 and back, larger ones are lost`),
    );
    assert.match(found.remedy ?? '', new RegExp(`\`ip link set wg0 mtu ${passed}\`; MTU = ${passed}`));
    assert.equal(/no IPv6/.test(found.remedy ?? ''), passed < 1_280);
    assert.deepEqual(found.details, { fullBytes: 1_420, passedBytes: passed });
    assert.ok(sent.length <= 30, `${sent.length} pings`);
  }
});

test('a peer that answers no pings: a note, unless it is one that is to answer, or nothing at all comes back', async (t) => {
  const silent = await sizeOf(t, (p) => {
    p.largest = 0;
    p.clock.sleep = speak(p);
  });
  assert.deepEqual([silent.found?.verdict, silent.sent.length], ['note', 3]);
  assert.match(silent.found?.text ?? '', /^3 pings to 10\.0\.0\.2 unanswered: .* was not tried$/);

  const dead = await sizeOf(t, (p) => {
    p.largest = 0;
  });
  assert.equal(dead.found?.verdict, 'fault');
  assert.match(dead.found.text, /nothing at all came back within 11 s$/);
  assert.match(dead.found.remedy ?? '', /on both hosts/);

  const watched = await sizeOf(t, (p) => {
    p.largest = 0;
    p.config = p.config.replace('protocol: ipv4 }', 'protocol: ipv4, ping: { enabled: true, target: 10.0.0.2 } }');
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1));
  });
  assert.deepEqual([watched.found?.verdict, watched.sent.length], ['fault', 3]);
});

/** The peer's own keepalive arrives while doctor waits. */
function speak(p: Harness): Harness['clock']['sleep'] {
  const pause = p.clock.sleep;
  return async (ms, signal) => {
    await pause(ms, signal);
    if (ms === 1_000) p.wg.changePeer('wg0', p.peer.publicKey, { rxBytes: 32 });
  };
}

test('what cannot be sent into the tunnel is said with its reason', async (t) => {
  const harness = createHarness(t);
  harness.capture.fail('echo', new StunmeshError('ERR_CAPTURE_BLOCKED', 'a rule stops it'));
  const found = (await harness.examine()).filter(({ text }) => /no ping can be sent to 10\.0\.0\.2/.test(text));
  assert.deepEqual(
    found.map(({ verdict, code }) => [verdict, code]),
    [['warning', 'ERR_CAPTURE_BLOCKED']],
  );
});

test('sizes that the device itself refuses are no loss, where nobody tells its MTU; one lost packet is none either', async () => {
  const capture = createFakeCapture();
  const clock = createFakeClock(0);
  let lost = 0;
  capture.onEcho = ({ packet, to }) => {
    const bytes = packet.length + 40;
    if (bytes > 1_380) throw new StunmeshError('ERR_CAPTURE_SEND', 'too large', { details: { code: 'EMSGSIZE' } });
    const request = parseEcho(6, packet);
    lost += 1;
    if (request && lost % 2 === 0) capture.deliverEcho('wg0', 6, encodeEcho(6, { ...request, kind: 'reply' }), to);
  };
  const underlay = {
    openEchoSocket: (options: Omit<Parameters<typeof capture.openEchoSocket>[0], 'device'>) =>
      capture.openEchoSocket({ ...options, device: 'wg0' }),
  };
  const random = (bytes: number) => new Uint8Array(bytes).fill(7);
  const { signal } = new AbortController();
  const search = findPacketSize({ underlay, clock, random, signal }, 'fd00::2', undefined);
  for (let step = 0; step < 100; step += 1) await clock.advance(250);
  const { answers, fullBytes, passedBytes } = await search;
  assert.deepEqual({ answers, fullBytes, passedBytes }, { answers: true, fullBytes: 1_376, passedBytes: 1_376 });
  assert.equal(capture.echoSockets.size, 0);
});
