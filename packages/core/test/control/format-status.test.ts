/** The snapshot of real controllers as people and programs see it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { formatStatus } from '#src/control/format-status.js';
import { createHarness, farEndpoint, OWN4 } from '../controllers/harness.js';

test('the snapshot tells of each peer: phase, endpoint, handshake, both records, counters, the last error', async () => {
  const h = createHarness({
    peers: 3,
    stores: { main: {}, short: { maxValueBytes: 140 } },
    pluginsOf: (i) => (i === 1 ? ['short'] : ['main']),
  });
  await h.peer(2).store('garbage');
  await h.start();
  await h.connect(0);
  const [device] = h.snapshot().devices;
  const [connected, short, broken] = device?.peers ?? [];
  assert.equal(device?.reflexive.ipv4, OWN4);
  assert.equal(connected?.phase, 'connected');
  assert.equal(connected?.endpoint, farEndpoint(0));
  assert.ok((connected?.latestHandshakeAt ?? 0) > 0);
  assert.equal(connected?.record?.ipv4, farEndpoint(0));
  assert.equal(connected?.published?.ipv4, OWN4);
  assert.equal(connected?.endpointWrites, 1);
  assert.ok((short?.published?.omitted.length ?? 0) > 0, 'what a short store left out is said');
  assert.equal(broken?.lastError?.code, 'ERR_RECORD_MALFORMED');
  assert.deepEqual(JSON.parse(JSON.stringify(h.snapshot())), h.snapshot(), 'plain JSON');
});

test('people see names, phases, addresses and errors with their codes', async () => {
  const h = createHarness({ peers: 2 });
  await h.peer(1).store('garbage');
  await h.start();
  await h.connect(0);
  const text = formatStatus(h.snapshot(), h.clock.wallNow());
  for (const word of ['wg0', 'peer-0', 'connected', farEndpoint(0), OWN4, 'peer-1', 'ERR_RECORD_MALFORMED']) {
    assert.ok(text.includes(word), `${word} in\n${text}`);
  }
  assert.ok(text.endsWith('\n'));
});

test('people see a missing device and a failing discovery', async () => {
  const missing = createHarness({ present: false });
  await missing.start();
  await missing.advance(1_000);
  assert.match(formatStatus(missing.snapshot(), missing.clock.wallNow()), /missing[\s\S]*ERR_WG_DEVICE_NOT_FOUND/);
  const mute = createHarness();
  mute.mappings.set(4, new StunmeshError('ERR_STUN_NO_RESPONSE', 'silence'));
  await mute.start();
  await mute.advance(1_000);
  assert.match(formatStatus(mute.snapshot(), mute.clock.wallNow()), /ERR_STUN_NO_RESPONSE/);
});

test('people see a store that is down, when it is asked next, and why', async () => {
  const h = createHarness({ stores: { main: {}, backup: {} } });
  const main = h.stores.get('main');
  assert.ok(main);
  main.failure = new StunmeshError('ERR_STORE_UNAVAILABLE', 'connection refused');
  await h.start();
  await h.advance(60_000);
  const text = formatStatus(h.snapshot(), h.clock.wallNow()).replace(/\s+/g, ' ');
  assert.match(text, /! store "main" is down, and asked again in \d s: .*connection refused \[ERR_STORE_UNAVAILABLE\]/);
  assert.doesNotMatch(text, /store "backup" is down/);
  main.failure = undefined;
  await h.advance(10_000);
  assert.doesNotMatch(formatStatus(h.snapshot(), h.clock.wallNow()), /is down/);
});
