/** One probe by itself: when it gives no verdict (F29). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createProbe, type ProbeComponents } from '#src/controllers/ping-monitor/probe.js';
import { createComponents, FAR } from '../doubles.js';

function probing(parts: Partial<ProbeComponents> = {}) {
  const d = createComponents({ endpoint: FAR });
  d.peer.phase = 'connected';
  const failed: string[] = [];
  let packets = 0;
  const probe = createProbe({
    ...d.c,
    read: async () => true,
    handshake: {
      async trigger() {
        packets += 1;
      },
    },
    failed: ({ name }) => failed.push(name),
    ...parts,
  });
  return { ...d, probe, failed, packets: () => packets };
}

test('F29 a probe whose device cannot be read gives no verdict, before its packets and while it waits', async () => {
  for (const readings of [0, 1, 2]) {
    let left = readings;
    const d = probing({ read: async () => left-- > 0 });
    const done = d.probe.probe(d.peer);
    await d.clock.advance(20_000);
    await done;
    assert.deepEqual(d.failed, []);
    assert.equal(d.packets(), readings === 0 ? 0 : 3);
  }
});

test('F29 a probe that breaks off says why, calls nobody dead, and the next one runs', async () => {
  const error = new StunmeshError('ERR_WG_FAILED', 'the device is odd');
  let broken = true;
  const d = probing({ read: () => (broken ? Promise.reject(error) : Promise.resolve(true)) });
  await d.probe.probe(d.peer);
  assert.deepEqual(d.logger.lines, [
    { level: 'debug', fields: { device: 'wg0', peer: 'peer-0', error }, message: 'probe broken off' },
  ]);
  assert.deepEqual(d.failed, []);
  broken = false;
  const done = d.probe.probe(d.peer);
  await d.clock.advance(20_000);
  await done;
  assert.deepEqual(d.failed, ['peer-0']);
});

test('F29 the end of the daemon ends a probe without a verdict or a line', async () => {
  const d = probing();
  const done = d.probe.probe(d.peer);
  await d.clock.advance(100);
  d.stopping.abort(new StunmeshError('ERR_CLOSED', 'stopping'));
  await d.probe.stop();
  await done;
  assert.deepEqual([d.failed, d.logger.lines], [[], []]);
});

test('F29 a peer that is not on the device, or is not believed connected, is not probed', async () => {
  const d = probing();
  d.peer.phase = 'connecting';
  await d.probe.probe(d.peer);
  d.peer.phase = 'connected';
  d.peer.observed = undefined;
  await d.probe.probe(d.peer);
  assert.deepEqual([d.packets(), d.peer.probes], [0, 0]);
});
