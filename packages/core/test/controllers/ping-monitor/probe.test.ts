/** One probe by itself: when it gives no verdict (F29). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createProbe, type ProbeParts } from '#src/controllers/ping-monitor/probe.js';
import { createControllers, FAR } from '../doubles.js';

function probing(parts: Partial<ProbeParts> = {}) {
  const d = createControllers({ endpoint: FAR });
  d.peer.phase = 'connected';
  const failed: string[] = [];
  let kicks = 0;
  const probe = createProbe(d.c, {
    read: async () => true,
    async kick() {
      kicks += 1;
    },
    failed: (_device, { name }) => failed.push(name),
    ...parts,
  });
  return { ...d, probe, failed, kicks: () => kicks };
}

test('F29 a probe whose device cannot be read gives no verdict, before its kicks and while it waits', async () => {
  for (const readings of [0, 1, 2]) {
    let left = readings;
    const d = probing({ read: async () => left-- > 0 });
    const done = d.probe.probe(d.device, d.peer);
    await d.clock.advance(20_000);
    await done;
    assert.deepEqual(d.failed, []);
    assert.equal(d.kicks(), readings === 0 ? 0 : 3);
  }
});

test('F29 a probe that breaks off says why, calls nobody dead, and the next one runs', async () => {
  const error = new StunmeshError('ERR_WG_FAILED', 'the device is odd');
  let broken = true;
  const d = probing({ read: () => (broken ? Promise.reject(error) : Promise.resolve(true)) });
  await d.probe.probe(d.device, d.peer);
  assert.deepEqual(d.logger.lines, [
    { level: 'debug', fields: { device: 'wg0', peer: 'peer-0', error }, message: 'probe broken off' },
  ]);
  assert.deepEqual(d.failed, []);
  broken = false;
  const done = d.probe.probe(d.device, d.peer);
  await d.clock.advance(20_000);
  await done;
  assert.deepEqual(d.failed, ['peer-0']);
});

test('F29 the end of the daemon ends a probe without a verdict or a line', async () => {
  const d = probing();
  const done = d.probe.probe(d.device, d.peer);
  await d.clock.advance(100);
  d.stopping.abort(new StunmeshError('ERR_CLOSED', 'stopping'));
  await d.probe.stop();
  await done;
  assert.deepEqual([d.failed, d.logger.lines], [[], []]);
});

test('F29 a peer that is not on the device, or is not believed connected, is not probed', async () => {
  const d = probing();
  d.peer.phase = 'connecting';
  await d.probe.probe(d.device, d.peer);
  d.peer.phase = 'connected';
  d.peer.wg = undefined;
  await d.probe.probe(d.device, d.peer);
  assert.deepEqual([d.kicks(), d.peer.probes], [0, 0]);
});
