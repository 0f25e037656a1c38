/** Bundles for other processors, run by their Nodes under qemu's user mode: the prebuilt addons at work in real tunnels. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Daemon, type Host, must, REPOSITORY } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';
import { MadeBundle } from './steps/bundle-made.js';
import { FETCH_MS, foreignNode } from './steps/foreign-node.js';

/** qemu takes its time. */
const CONNECT_MS = 60_000;

async function startForeign(host: Host, bundle: MadeBundle, platform: 'linux-arm64' | 'linux-arm'): Promise<Daemon> {
  return host.startDaemon({ command: [...(await foreignNode(platform)), join(bundle.files, 'stunmesh.js')] });
}

labTest(
  'the bundle for arm64 on one host and for ARMv7 on the other, under qemu: a port-restricted pair connects',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab, t) => {
    if (process.arch !== 'x64') return t.skip('addons for other platforms are made on Linux x64');
    const prebuild = [process.execPath, join(REPOSITORY, 'test/tools/prebuild.mjs'), 'linux-arm64', 'linux-arm'];
    await must(undefined, prebuild, { timeoutMs: FETCH_MS });
    await using wide = await MadeBundle.make('--stores', 'file', '--platform', 'linux-arm64');
    await using narrow = await MadeBundle.make('--stores', 'file', '--platform', 'linux-arm');
    const [a, b] = [lab.host('a'), lab.host('b')];
    const daemons = await Promise.all([startForeign(a, wide, 'linux-arm64'), startForeign(b, narrow, 'linux-arm')]);
    await expectTunnel(a, b, CONNECT_MS);
    assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
    assert.deepEqual(await Promise.all(daemons.map((daemon) => daemon.stop(20_000))), [0, 0]);
  },
  FETCH_MS + CONNECT_MS * 2,
);
