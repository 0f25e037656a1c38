/** When the socket for checks is open (`check_listen`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckListen } from '#src/config/index.js';
import { createListening } from '#src/controllers/checks/listening.js';
import { createComponents } from '../doubles.js';
import { CheckWorld, router } from './world.js';

function listening(checkListen: CheckListen) {
  const d = createComponents();
  d.device.config = { ...d.device.config, checkListen };
  const one = createListening(d.c);
  return {
    ...d,
    one,
    /** A second in which so many bytes arrive; whether the socket is wanted after it. */
    async after(bytes: number) {
      await d.clock.advance(1_000);
      d.wg.traffic('wg0', d.peer.publicKey, { rxBytes: bytes });
      d.refresh();
      return one.wanted();
    },
  };
}

test('always, and while some peer is without a tunnel; unsettled: then alone', async () => {
  const always = listening('always');
  const unsettled = listening('unsettled');
  for (const d of [always, unsettled]) {
    d.peer.phase = 'connecting';
    assert.equal(await d.after(1e9), true);
    d.peer.phase = 'connected';
  }
  assert.equal(await always.after(1e9), true);
  assert.equal(await unsettled.after(0), false);
});

test('a device without peers listens to nobody', async () => {
  const d = listening('always');
  d.device.peers = [];
  assert.equal(await d.after(0), false);
});

test('auto: not above 50,000 packets a second, but at the beginning of each minute', async () => {
  const d = listening('auto');
  d.peer.phase = 'connected';
  await d.clock.advance(10_000);
  assert.equal(await d.after(0), true);
  assert.equal(await d.after(40_000_000), true);
  assert.equal(await d.after(60_000_000), false);
  assert.equal(d.one.nextAt, 60_000);
  await d.clock.advance(60_000 - d.clock.now() - 1_000);
  assert.equal(await d.after(4_000_000_000), true, 'the minute begins');
  assert.equal(d.one.nextAt, 64_000);
  await d.clock.advance(4_000);
  assert.equal(await d.after(400_000_000), false);
  assert.equal(await d.after(0), true, 'calm again');
});

test('a reload opens and closes the socket; one that is given back answers nobody', async () => {
  const world = new CheckWorld({ router: router('a') }, { router: router('b') });
  const [a, b] = world.sides;
  await a.start();
  await b.start();
  assert.ok((await world.connect(10_000)) !== undefined);
  await world.clock.advance(30_000);
  assert.equal(a.capture.stunSockets.size, 1);
  for (const [checkListen, size] of [
    ['unsettled', 0],
    ['always', 1],
  ] as const) {
    a.device.config = { ...a.device.config, checkListen };
    a.session.reconfigured();
    await world.clock.advance(1_000);
    assert.equal(a.capture.stunSockets.size, size, checkListen);
  }
  await a.stop();
  await b.stop();
  assert.equal(a.capture.stunSockets.size, 0);
});
