/** Our own private key changed: that is said until a tunnel came about with the new one, and not where there was none before (F72). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyPair } from './far-side.js';
import { createHarness, farEndpoint, type Harness } from './harness.js';

const LATER = keyPair('own, later');

async function connected(): Promise<Harness> {
  const h = createHarness({ peers: 2, keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  await h.live(10_000, [0]);
  return h;
}

const shown = (h: Harness, index = 0) => h.snapshot().devices[0]?.peers[index]?.lastError;
const lines = (h: Harness) => h.logger.lines.filter(({ message }) => message === 'our key changed');

test('F72 our key changed: the peer that knew the old one is to be given the new one, which is named; once in the log', async () => {
  const h = await connected();
  h.peer().answersAt = undefined;
  h.wg.changeDevice('wg0', { ...LATER });
  await h.advance(11_000);
  assert.equal(shown(h)?.code, 'ERR_KEY_CHANGED');
  assert.ok(shown(h)?.message.includes(LATER.publicKey));
  assert.equal(shown(h, 1), undefined, 'it never knew us');
  await h.advance(60_000);
  assert.equal(shown(h)?.code, 'ERR_KEY_CHANGED');
  assert.equal(lines(h).length, 1);
  assert.equal(h.events.filter(({ event, data }) => event === 'fault' && data['code'] === 'ERR_KEY_CHANGED').length, 1);
});

test('F72 our key changed: it is over as soon as the peer answers to the new key, or the old one is set again', async () => {
  for (const keys of [LATER, keyPair('own')]) {
    const h = await connected();
    h.peer().answersAt = undefined;
    h.addDevice(LATER);
    await h.advance(11_000);
    assert.equal(shown(h)?.code, 'ERR_KEY_CHANGED');
    if (keys !== LATER) h.addDevice(keys);
    await h.connect();
    await h.advance(30_000);
    assert.equal(h.entry().phase, 'connected');
    assert.equal(shown(h), undefined);
  }
});

test('F72 our key changed while the daemon was down, which the state file tells', async () => {
  const before = await connected();
  const h = createHarness({ peers: 2, present: false, state: before.state() });
  h.addDevice(LATER);
  await h.start();
  await h.advance(2_000);
  assert.equal(shown(h)?.code, 'ERR_KEY_CHANGED');
  assert.equal(shown(h, 1), undefined);
  assert.equal(lines(h).length, 1);
  const same = createHarness({ peers: 2, state: before.state() });
  same.peer().answersAt = farEndpoint(0);
  await same.start();
  await same.advance(2_000);
  assert.equal(shown(same), undefined);
});
