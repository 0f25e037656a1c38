/** F76: a Redis that answers without end harms neither the daemon nor what comes through another store. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { REPOSITORY, sleep, until } from '../lab/index.js';
import { residentBytes } from '../lab/steps/crowd.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

const WATCHED_MS = 6_000;
const MOST_MIB = 130;
const MOST_LATENCY_MS = 2_500;
const MOST_STOP_MS = 2_500;

for (const attack of ['text', 'list', 'answers'])
  labTest(
    `F76 a Redis that floods (${attack}): the pair connects through the folder beside it, memory, control socket and end as ever`,
    { sides: { a: {}, b: {} }, coturn: [1, 2] },
    async (lab, t) => {
      const fixture = join(REPOSITORY, 'test/fixtures/e2e/hostile-redis.mjs');
      const server = lab.spawn(lab.publicNamespace, [process.execPath, fixture, '203.0.113.1', '6379', attack]);
      await until(() => server.stdout.includes('ready'), { what: 'the hostile server to listen' });
      const plugins = {
        folder: { type: 'builtin', name: 'file', path: lab.storeDir },
        hostile: { type: 'builtin', name: 'redis', url: 'redis://203.0.113.1:6379' },
      };
      const plugin = Object.keys(plugins);
      const [a, b] = [lab.host('a'), lab.host('b')];
      const peerOverrides = { a: { plugin }, b: { plugin } };
      const [daemon] = await startAll([a, b], { plugins, peerOverrides, refreshInterval: '1s' });
      if (daemon === undefined) throw new Error('no daemon');
      await expectTunnel(a, b);
      let [memory, latency] = [0, 0];
      for (const end = performance.now() + WATCHED_MS; performance.now() < end; ) {
        const began = performance.now();
        await daemon.status();
        latency = Math.max(latency, performance.now() - began);
        memory = Math.max(memory, await residentBytes(daemon.pid));
        await sleep(20);
      }
      const { stores } = await daemon.status();
      const found = (name: string) => stores.find((store) => store.name === name);
      assert.equal(found('folder')?.failures, 0);
      assert.match(found('hostile')?.lastError?.message ?? '', /the server sent/);
      assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
      const began = performance.now();
      assert.equal(await daemon.stop(), 0);
      const stopMs = performance.now() - began;
      const mib = memory / 1024 / 1024;
      t.diagnostic(`${mib.toFixed(0)} MiB, control socket ${latency.toFixed(0)} ms, end ${stopMs.toFixed(0)} ms`);
      assert.ok(mib < MOST_MIB, `${mib.toFixed(0)} MiB`);
      assert.ok(latency < MOST_LATENCY_MS, `the control socket took ${latency.toFixed(0)} ms`);
      assert.ok(stopMs < MOST_STOP_MS, `the end took ${stopMs.toFixed(0)} ms`);
      const told = daemon
        .log()
        .split('\n')
        .filter((line) => /"level":40.*no connection to Redis/.test(line));
      // Three for the flood, and one where a connection that is closed is told first.
      assert.ok(told.length <= 4, told.join('\n'));
    },
  );
