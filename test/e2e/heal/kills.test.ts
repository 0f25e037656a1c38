/** Kills, full disks and what `status` shows meanwhile. */
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LabSpec, REPOSITORY, sleep } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { pinging, pingsAgain, settledPair, untouched, within } from './steps/healing.js';

const PAIR: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };
const COMMAND = [process.execPath, join(REPOSITORY, 'packages/core/dist/cli/main.js')];

labTest(
  'a daemon that is killed at any moment of its start and started again connects, its state file whole',
  PAIR,
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await b.startDaemon();
    const file = join(a.stateDir, `${a.device}.json`);
    for (const afterMs of [150, 300, 450, 600, 800, 1100]) {
      const daemon = await a.startDaemon();
      await sleep(afterMs);
      await daemon.kill();
      const text = await readFile(file, 'utf8').catch(() => undefined);
      if (text !== undefined) assert.doesNotThrow(() => JSON.parse(text), `after ${afterMs} ms: ${text}`);
    }
    await a.startDaemon();
    await expectTunnel(a, b);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  },
);

labTest(
  'a state file that is damaged, or gone, costs a line in the log; the tunnel is not written to',
  PAIR,
  async (lab) => {
    const { a, b, daemonA } = await settledPair(lab);
    await daemonA.stop();
    const file = join(a.stateDir, `${a.device}.json`);
    await writeFile(file, '{"version":1,"t":');
    const again = await a.startDaemon();
    await again.waitForPhase('b', ['connected']);
    assert.match(again.log(), /state not restored/);
    await sleep(1500);
    const { endpointWrites, renewals } = await untouched(again, 'b');
    assert.deepEqual({ endpointWrites, renewals }, { endpointWrites: 0, renewals: 0 });
    assert.deepEqual(await a.pingBurst(b, 10, 0.05), { sent: 10, received: 10 });
  },
);

labTest(
  'a full disk under the state file costs a line in the log, and nothing else',
  { ...PAIR, daemonCommand: [join(REPOSITORY, 'test/fixtures/e2e/full-disk.sh'), ...COMMAND] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const env = { FULL_FOLDER: join(lab.dir, 'full') };
    const options = { env, extra: { state_dir: join(lab.dir, 'full') }, ...pinging([a, b], '1s') };
    const [daemon] = await startAll([a, b], options);
    await expectTunnel(a, b);
    assert.equal((daemon?.log() ?? '').split('state not kept').length, 2, 'one line');
    assert.match(daemon?.log() ?? '', /ENOSPC/);
    await b.move();
    within(await pingsAgain(a, b, 15_000), 15_000, 'the way back');
    assert.equal((daemon?.log() ?? '').split('state not kept').length, 2, 'still one line');
    assert.equal(await daemon?.stop(), 0);
  },
);

labTest('a full disk under the log ends no daemon', PAIR, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const [daemon] = await Promise.all([
    a.startDaemon({ command: ['sh', '-c', 'exec "$@" >/dev/full', 'sh', ...COMMAND] }),
    b.startDaemon(),
  ]);
  await expectTunnel(a, b);
  await daemon.waitForPhase('b', ['connected']);
  assert.equal(await daemon.stop(), 0);
});

labTest(
  '`stunmesh status` is a table of 80 columns that names what is wrong',
  { sides: { a: {}, b: {}, c: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const ping = { enabled: true, target: b.tunnelAddress };
    const [daemon] = await startAll([a, b], { peerOverrides: { b: { ping } } });
    await expectTunnel(a, b);
    const show = async (...args: string[]): Promise<string> =>
      (await a.exec([...COMMAND, 'status', '--run-dir', a.runDir, ...args], { timeoutMs: 30_000 })).stdout;
    await daemon?.waitFor((snapshot) => snapshot.devices[0]?.peers.some((peer) => peer.rttMs !== undefined) ?? false, {
      what: 'an answered ping',
    });
    const table = await show();
    assert.match(table, new RegExp(`^${a.device}: port 51820, seen from outside as 203\\.0\\.113\\.11:51820$`, 'm'));
    assert.match(table, /^ +PEER +PHASE +ENDPOINT +PATH +HANDSHAKE +RTT +RECORD$/m);
    assert.match(table, /^ +b +connected +203\.0\.113\.12:51820 +IPv4 +\d+ s +[\d.]+ ms +\d+ s$/m);
    assert.match(table, /^ +c +waiting +- +- +- +- +-\n +! no record of the peer yet: start stunmesh there/m);
    const rows = table.split('\n').filter((line) => !line.includes('!'));
    for (const row of rows) assert.ok(row.length <= 80, `${row.length} columns: ${row}`);
    assert.equal(JSON.parse(await show('--json')).pid, daemon?.pid);
    await b.deleteDevice();
    await daemon?.waitForPhase('b', ['suspect', 'connecting']);
    assert.match(await show(a.device), /^ +b +(suspect|connecting) +203\.0\.113\.12:51820 /m);
  },
);
