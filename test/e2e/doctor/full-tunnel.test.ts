/** Doctor and `plugin test` behind wg-quick's full tunnel: they ask as the daemon asks, whether the tunnel is dead or alive, with and without a kill switch. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Host, REPOSITORY, startRedis } from '../lab/index.js';
import { killSwitch, startNames, takeOver, withNameServer } from '../lab/steps/full-tunnel.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';
import { doctorConfig, type Examination, examine } from './steps/doctoring.js';

const STUNMESH = [process.execPath, join(REPOSITORY, 'packages/core/dist/cli/main.js')];
/** What has nothing to do with the tunnel is judged elsewhere. */
const ASKED_OUTSIDE = ['route', 'stun', 'nat', 'store', 'clock'];

function expectReached(found: Examination, when: string): void {
  const about = found.findings.filter(({ check }) => ASKED_OUTSIDE.includes(check));
  const wrong = about.filter(({ verdict }) => verdict === 'fault' || verdict === 'warning');
  assert.deepEqual(wrong, [], when);
  for (const check of ['stun', 'store'])
    assert.ok(
      about.some((finding) => finding.check === check && finding.verdict === 'ok'),
      `${when}: ${check}`,
    );
}

labTest(
  'F70 doctor and plugin test reach STUN servers and Redis by name past a full tunnel, dead or alive, with and without a kill switch',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab) => {
    await startNames(lab);
    const redis = await startRedis(lab, 'redis.lab.test');
    const [a, b] = [lab.host('a'), lab.host('b')];
    await takeOver(a, b);
    const plugin = ['redis'];
    const options = {
      plugins: { redis: redis.plugin },
      stun: ['stun.lab.test:3478', '203.0.113.2:3478'],
      peerOverrides: { a: { plugin }, b: { plugin } },
    };
    const wrap = await withNameServer(lab);
    const config = await doctorConfig(lab, a, options);
    const look = async (when: string): Promise<void> => {
      await expectSilence(a);
      expectReached(await examine(a, config, { wrap }), when);
      const tried = await a.exec([...wrap, ...STUNMESH, 'plugin', 'test', 'redis', '-c', config], {
        timeoutMs: 60_000,
      });
      assert.equal(tried.code, 0, `${when}: ${tried.stdout}${tried.stderr}`);
    };
    await look('dead');
    await killSwitch(a);
    await look('dead, with a kill switch');
    const command = [...wrap, ...lab.daemonCommand];
    await Promise.all([a.startDaemon({ ...options, command }), b.startDaemon({ ...options, command })]);
    await expectTunnel(a, b);
    await look('alive, with a kill switch');
    await a.exec(['nft', 'delete', 'table', 'inet', 'killswitch']);
    await look('alive');
  },
);

/** Without the mark nothing leaves, or the test would show nothing. */
async function expectSilence(host: Host): Promise<void> {
  const unmarked = await host.exec(['ping', '-c', '1', '-W', '1', '203.0.113.1']);
  assert.notEqual(unmarked.code, 0, 'without the mark nothing leaves');
}
