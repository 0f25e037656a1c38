/** `stunmesh doctor`: a good pair is well, and each of twelve induced faults is named with its remedy. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyPair, type Host, type KeyPair, type Lab, must, REPOSITORY, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { Folder, fingerprintOf, keyOf, seal } from '../lab/steps/records.js';
import { doctorConfig, type Examination, type Expected, examine, expectNamed } from './steps/doctoring.js';

const DAY = 86_400;
const HONEST = ['203.0.113.1:3478', '203.0.113.2:3478'];
const API_PORT = 8053;
const fixture = (name: string): string => join(REPOSITORY, 'test/fixtures/e2e', name);

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
      const [found, text] = await Promise.all([examine(a, config), a.exec(textCommand(config), { timeoutMs: 60_000 })]);
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
      const scene = await manyFaults(lab, a, b);
      for (const expected of scene.expected) expectNamed(scene.found, expected);
      assert.equal(scene.found.code, 2);
      assert.ok(!scene.found.stdout.includes(scene.token), 'no token is shown');
      assert.match(textOf(scene.found, 'peer'), /connected at/, 'the good peer is well among all that');
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
      expectNamed(bare, {
        check: 'wireguard',
        verdict: 'warning',
        text: /wg is not in PATH/,
        remedy: /install wireguard-tools/,
        code: 'ERR_WG_NOT_FOUND',
      });
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

/** One examination of a host on which a lot is wrong at once: each peer has a fault of its own. */
async function manyFaults(
  lab: Lab,
  a: Host,
  b: Host,
): Promise<{ found: Examination; expected: readonly Expected[]; token: string }> {
  const [silent, foreign, ahead, behind, clouded, icy, meant] = await a.addPhantomPeers(7);
  assert.ok(silent && foreign && ahead && behind && clouded && icy && meant);
  const stranger = createKeyPair();
  const folder = new Folder(lab.storeDir);
  const now = Math.floor(Date.now() / 1000);
  const put = (peer: KeyPair, sender: KeyPair, t: number) => {
    const plain = JSON.stringify({ ipv4: '203.0.113.70:51820', t, f: fingerprintOf(peer.publicKey) });
    return folder.put(peer.publicKey, a.keys.publicKey, seal(plain, sender, a.keys.publicKey));
  };
  await put(foreign, stranger, now);
  await put(ahead, ahead, now + DAY);
  await put(behind, behind, now - DAY);
  const servers = [
    lab.spawn(lab.publicNamespace, [
      process.execPath,
      fixture('stun-liar.mjs'),
      '203.0.113.3',
      '3478',
      '192.0.2.66',
      '6666',
    ]),
    a.spawn([process.execPath, fixture('refusing-api.mjs'), String(API_PORT)]),
  ];
  await until(() => servers.every((server) => server.stdout.includes('ready')), {
    what: 'the server that lies and the one that refuses',
  });

  const token = 'a-token-that-nobody-knows';
  const readOnly = join(lab.dir, 'read-only');
  await must(undefined, ['mkdir', '-p', readOnly]);
  const peer = (keys: KeyPair, plugin = 'folder') => ({ public_key: keys.publicKey, plugin });
  const peers = {
    b: { public_key: b.keys.publicKey, plugin: 'folder', protocol: 'ipv4' },
    mistyped: peer(stranger),
    silent: peer(silent),
    foreign: peer(foreign),
    ahead: peer(ahead),
    behind: peer(behind),
    clouded: peer(clouded, 'cloud'),
    frozen: peer(icy, 'frozen'),
  };
  const config = await doctorConfig(lab, a, {
    stun: [...HONEST, '203.0.113.3:3478'],
    plugins: {
      folder: { type: 'builtin', name: 'file', path: lab.storeDir },
      frozen: { type: 'builtin', name: 'file', path: readOnly },
      cloud: {
        type: 'builtin',
        name: 'cloudflare',
        zone: 'example.com',
        token,
        api: `http://127.0.0.1:${API_PORT}/v4`,
      },
    },
    extra: { interfaces: { [a.device]: { protocol: 'ipv4', peers } } },
  });
  // `ip netns exec` gave this command a mount namespace of its own.
  const frozen = `mount --bind '${readOnly}' '${readOnly}' && mount -o remount,bind,ro '${readOnly}' && exec "$0" "$@"`;
  const found = await examine(a, config, { wrap: ['sh', '-c', frozen] });
  await Promise.all(servers.map((server) => server.kill()));

  const of = (name: string): string => `${a.device}/${name}`;
  return {
    found,
    token,
    expected: [
      {
        check: 'peer',
        subject: of('mistyped'),
        verdict: 'fault',
        text: new RegExp(
          `no peer with the public key .*; of its peers ${literally(meant.publicKey)} is not in the configuration`,
        ),
        remedy: /Compare its public key with `wg show`/,
        code: 'ERR_WG_PEER_NOT_FOUND',
      },
      {
        check: 'stun',
        verdict: 'fault',
        text: /^203\.0\.113\.3:3478 sees 192\.0\.2\.66:6666.*contradicts the other servers/,
        remedy: /take it out of `stun\.addresses`/,
      },
      {
        check: 'store',
        subject: 'store "cloud"',
        verdict: 'fault',
        text: /cannot be read/,
        remedy: /check token, password or file mode/,
        code: 'ERR_STORE_DENIED',
      },
      {
        check: 'store',
        subject: 'store "frozen"',
        verdict: 'fault',
        text: /can be read and not written \(read-only\)/,
        remedy: /check token, password or file mode/,
        code: 'ERR_STORE_DENIED',
      },
      {
        check: 'clock',
        verdict: 'fault',
        text: /clock is 24 h behind, by the Date of 127\.0\.0\.1/,
        remedy: /set the clock/,
      },
      {
        check: 'clock',
        verdict: 'warning',
        text: /record of \S+\/ahead is dated 24 h in the future/,
        remedy: /date -u/,
      },
      {
        check: 'peer',
        subject: of('behind'),
        verdict: 'warning',
        text: /is 24 h old.*its clock is behind by that much/,
        remedy: /date -u/,
      },
      {
        check: 'peer',
        subject: of('silent'),
        verdict: 'fault',
        text: /no record of it in the store "folder"/,
        remedy: new RegExp(`start stunmesh there.*${literally(a.keys.publicKey)}`),
      },
      {
        check: 'peer',
        subject: of('foreign'),
        verdict: 'fault',
        text: /sealed by or for somebody else/,
        remedy: /check that both sides have each other's present public keys/,
        code: 'ERR_RECORD_UNOPENED',
      },
    ],
  };
}

function literally(text: string): string {
  return text.replace(/[+/=]/g, '\\$&');
}
