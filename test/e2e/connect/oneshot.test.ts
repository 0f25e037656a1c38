/** `--oneshot`: the same engine with an end and an exit code. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { startAll } from '../lab/steps/pair.js';

const PAIR = { sides: { a: {}, b: {} }, coturn: [1, 2] } as const;

labTest('--oneshot on both sides exits 0 once they are connected', PAIR, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemons = await startAll([a, b], { args: ['--oneshot', '--timeout', '30s'] });
  const ends = await Promise.all(daemons.map((daemon) => daemon.process.exited));
  assert.deepEqual(
    ends.map((end) => end.code),
    [0, 0],
  );
  assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
});

labTest('--oneshot alone exits 1 after its time limit and says of each peer how far it got', PAIR, async (lab) => {
  const a = lab.host('a');
  const startedAt = performance.now();
  const daemon = await a.startDaemon({ args: ['--oneshot', '--timeout', '3s'] });
  assert.equal((await daemon.process.exited).code, 1);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 3000, `${Math.round(tookMs)} ms`);
  assert.match(daemon.process.stdout, new RegExp(`^${a.device}/b: no record of it yet$`, 'm'));
});

labTest('a daemon with a wrong configuration exits 2 and names the place', PAIR, async (lab) => {
  const a = lab.host('a');
  const daemon = await a.startDaemon({ refreshInterval: '10' });
  assert.equal((await daemon.process.exited).code, 2);
  assert.match(daemon.log(), /config-1\.yaml:\d+:\d+: refresh_interval/);
});
