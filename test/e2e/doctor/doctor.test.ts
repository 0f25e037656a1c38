/** `stunmesh doctor`: a good pair is well, and each of twelve induced faults is named with its remedy. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { must, REPOSITORY, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { keyOf } from '../lab/steps/records.js';
import { doctorConfig, type Examination, examine, expectNamed } from './steps/doctoring.js';
import { manyFaults } from './steps/many-faults.js';

/** A user without rights, who may yet read the laboratory's files. */
const NOBODY = [
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--inh-caps=-all,+dac_read_search',
  '--bounding-set=-all,+dac_read_search',
  '--ambient-caps=-all,+dac_read_search',
];

labTest(
  'doctor: a good pair is well, with and without a daemon; each of twelve faults is named with its remedy',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab, t) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemon] = await startAll([a, b]);
    assert.ok(daemon);
    await expectTunnel(a, b);
    const config = await doctorConfig(lab, a);

    await t.test('a good pair: exit 0, connected, no endpoint written, one key in the store', async () => {
      const before = await daemon.peer('b');
      const found = await examine(a, config);
      // Not beside it: both would write the host's one probe record, and may read each other's.
      const text = await a.exec(textCommand(config), { timeoutMs: 60_000 });
      expectWell(found);
      assert.match(textOf(found, 'peer'), /connected at 203\.0\.113\.12:51820: the last handshake was \d+ s ago/);
      assert.match(textOf(found, 'nat'), /port-restricted cone/);
      assert.match(textOf(found, 'capture'), /a STUN reply arrives, another packet is kept out/);
      const after = await daemon.peer('b');
      assert.deepEqual(
        [after.endpoint, after.endpointWrites, after.renewals],
        [before.endpoint, before.endpointWrites, before.renewals],
      );
      assert.ok(
        !(await readdir(lab.storeDir)).includes(keyOf(a.keys.publicKey, a.keys.publicKey)),
        'its key is gone again',
      );
      assert.match(text.stdout, /^(All is well\. Exit status 0|\d warnings?\. Exit status 1)\.$/m);
      assert.ok(
        text.stdout.split('\n').every((line) => line.length <= 80),
        text.stdout,
      );
    });

    await t.test('faults in the configuration, the stores and the records', async () => {
      const shown = await manyFaults(lab, a, b);
      for (const expected of shown.expected) expectNamed(shown.found, expected);
      assert.equal(shown.found.code, 2);
      assert.ok(!shown.found.stdout.includes(shown.token), 'no token is shown');
      assert.match(textOf(shown.found, 'peer'), /connected at/, 'the good peer is well among all that');
    });

    await t.test('no root; wg missing; a second daemon', async () => {
      const third = await a.startDaemon({ extra: { run_dir: join(lab.dir, 'third') } });
      assert.equal((await third.process.exited).code, 1, 'the state is locked, whatever run_dir says');
      assert.match(
        third.log(),
        new RegExp(`process ${daemon.pid}\\) already serves this device.*state_dir of its own`),
      );
      const folders = { run_dir: join(lab.dir, 'second'), state_dir: join(lab.dir, 'second-state') };
      const second = await a.startDaemon({ extra: folders });
      await until(() => second.log().includes('a second daemon serves the device'), { what: 'the second daemon' });
      assert.match(second.log(), new RegExp(`another stunmesh \\(process ${daemon.pid}, `));
      const [poor, bare] = await Promise.all([
        examine(a, config, { wrap: NOBODY, args: ['--no-store-write'] }),
        examine(a, config, { wrap: ['env', 'PATH=/nowhere'] }),
      ]);
      await second.stop();
      expectNamed(poor, {
        check: 'privileges',
        verdict: 'fault',
        text: /^user 65534, without CAP_NET_RAW and CAP_NET_ADMIN$/,
        remedy: /run as root, or with CAP_NET_RAW/,
        code: 'ERR_CAPTURE_PERMISSION',
      });
      expectNamed(poor, {
        check: 'device',
        verdict: 'fault',
        text: /may not control it/,
        remedy: /run as root, or with CAP_NET_ADMIN/,
        code: 'ERR_WG_PERMISSION',
      });
      assert.match(textOf(bare, 'wireguard'), /controlled by netlink, without wg\(8\)/);
      expectNamed(bare, {
        check: 'daemon',
        verdict: 'fault',
        text: new RegExp(`^2 daemons serve this device.*process ${daemon.pid} .*process ${second.pid} `),
        remedy: /stop that process/,
        code: 'ERR_LOCKED',
      });
    });

    await t.test('STUN blocked by a firewall here', async () => {
      await a.blockUdp(3478, 'host');
      const found = await examine(a, config).finally(() => a.unblockUdp(3478, 'host'));
      expectNamed(found, {
        check: 'stun',
        verdict: 'fault',
        text: /a rule on this host blocks STUN requests/,
        remedy: /output rules/,
        code: 'ERR_STUN_BLOCKED',
      });
    });

    await t.test('without a daemon the tunnel is well all the same', async () => {
      await daemon.stop();
      const found = await examine(a, config);
      expectWell(found);
      assert.match(textOf(found, 'daemon'), /^no stunmesh daemon runs for this device/);
      assert.match(textOf(found, 'peer'), /connected at 203\.0\.113\.12:51820/);
    });

    await t.test("WireGuard's mark sends probes elsewhere", async () => {
      await must(a.namespace, ['sh', '-ec', MARKED]);
      await must(undefined, ['ip', 'netns', 'exec', a.namespace, 'wg', 'set', a.device, 'fwmark', '0x64']);
      const found = await examine(a, config);
      expectNamed(found, {
        check: 'route',
        verdict: 'warning',
        text: /mark 0x64 leave by astray0, unmarked ones by eth0/,
        remedy: /ip rule show/,
      });
      expectNamed(found, {
        check: 'stun',
        verdict: 'fault',
        text: /no STUN server answered/,
        remedy: /let UDP out/,
        code: 'ERR_STUN_NO_RESPONSE',
      });
    });
  },
);

const MARKED = `
ip link add astray0 type veth peer name astray1
ip link set dev astray1 up
ip addr add 198.18.0.1/24 dev astray0
ip link set dev astray0 up
ip route add default via 198.18.0.2 dev astray0 table 100
ip rule add fwmark 0x64 table 100
`;

/** Texts of a check's findings, a line each. */
function textOf({ findings }: Examination, check: string): string {
  return findings
    .filter((finding) => finding.check === check)
    .map(({ text }) => text)
    .join('\n');
}

/** On a loaded machine an answer may be late, which is not what is tested here. */
function expectWell({ findings, code, stdout }: Examination): void {
  const trouble = findings.filter(({ verdict }) => verdict === 'warning' || verdict === 'fault');
  assert.deepEqual(
    trouble.filter(({ text }) => !text.endsWith(': slow')),
    [],
  );
  assert.equal(code, trouble.length === 0 ? 0 : 1, stdout);
}

function textCommand(config: string): readonly string[] {
  return [process.execPath, join(REPOSITORY, 'packages/core/dist/cli/main.js'), 'doctor', '-c', config];
}
