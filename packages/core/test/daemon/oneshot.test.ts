/** --oneshot's end: when it is over, and what it says of each peer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import type { Daemon } from '#src/daemon/daemon.js';
import { waitUntilConnected } from '#src/daemon/oneshot.js';
import { settle } from '#src/testing/index.js';
import { createHarness, farEndpoint, type Harness } from '../controllers/harness.js';

/** The part of a daemon that oneshot looks at, over the controllers' harness. */
function daemonOf(h: Harness): Daemon {
  const listeners = new Set<() => void>();
  const { push } = h.events;
  h.events.push = (...events) => {
    queueMicrotask(() => {
      for (const listener of listeners) listener();
    });
    return push.apply(h.events, events);
  };
  return {
    devices: [h.device],
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  } as unknown as Daemon;
}

test('oneshot ends as soon as every peer is connected', async () => {
  const h = createHarness({ peers: 2 });
  let over = false;
  const waiting = waitUntilConnected(daemonOf(h), h.clock, 60_000, new AbortController().signal).finally(() => {
    over = true;
  });
  await h.start();
  await h.connect(0);
  assert.equal(over, false, 'one is missing');
  await h.connect(1);
  assert.equal(over, true);
  assert.equal(h.device.portMapping.outlivesUs, true, 'F59 the tunnels run on');
  const { connected, lines } = await waiting;
  assert.equal(connected, true);
  assert.deepEqual(lines, [`wg0/peer-0: connected at ${farEndpoint(0)}`, `wg0/peer-1: connected at ${farEndpoint(1)}`]);
});

test('oneshot gives up after its time, with a line per peer that says how far it got and why', async () => {
  const h = createHarness({ peers: 3 });
  await h.peer(1).publish({ ipv4: farEndpoint(1), t: 1_800_000_000 });
  await h.peer(2).store('garbage');
  const waiting = waitUntilConnected(daemonOf(h), h.clock, 30_000, new AbortController().signal);
  await h.start();
  await h.advance(30_000);
  const { connected, lines } = await waiting;
  assert.equal(connected, false);
  assert.match(lines[0] ?? '', /^wg0\/peer-0: no record of it yet/);
  assert.match(lines[1] ?? '', new RegExp(`^wg0/peer-1: no handshake at ${farEndpoint(1)}`));
  assert.match(lines[2] ?? '', /\[ERR_RECORD_MALFORMED\]$/);
});

test('oneshot names what keeps a whole device back', async () => {
  const h = createHarness({ present: false });
  const waiting = waitUntilConnected(daemonOf(h), h.clock, 5_000, new AbortController().signal);
  await h.start();
  await h.advance(5_000);
  assert.match((await waiting).lines[0] ?? '', /\[ERR_WG_DEVICE_NOT_FOUND\]$/);
});

test('F41 oneshot ends at a signal, also at one that came before it', async () => {
  for (const early of [false, true]) {
    const h = createHarness();
    const stop = new AbortController();
    if (early) stop.abort(new StunmeshError('ERR_CLOSED', 'stop'));
    const waiting = waitUntilConnected(daemonOf(h), h.clock, 60_000, stop.signal);
    await settle();
    stop.abort(new StunmeshError('ERR_CLOSED', 'stop'));
    assert.equal((await waiting).connected, false);
  }
});
