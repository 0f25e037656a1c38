/** Runs on a kernel with the WireGuard module, as root: the scenarios on kernel devices, one TAP line each; logs go to $OUT. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { healthFacts } from '../e2e/heal/steps/health-facts.js';
import { type Host, type Lab, must, openLab, REPOSITORY, run, until } from '../e2e/lab/index.js';
import { ALL_AT_ONCE, divertBeside, faultOf } from '../e2e/paths/steps/diverting.js';
import { BY_NAME, SCENARIOS, type ScenarioName } from './scenario-names.js';
import { addSideLink, backOnIpv4, switchOnKernel } from './switching.js';

const wanted: readonly string[] = process.argv.slice(2);
const out = process.env['OUT'] ?? '/tmp';
/** Everything takes about ten times as long in a machine that is computed, not run. */
const SLOW = 10;

await warmUp();
const lab = await openLab({ sides: { a: { wireguard: { atStart: false } }, b: { wireguard: { atStart: false } } } });
const [a, b] = [lab.host('a'), lab.host('b')];
// Takes its time to start, which the first scenario spends waiting.
const server = lab.spawn(
  lab.publicNamespace,
  [...lab.daemonCommand, 'stun-server', '--listen', '203.0.113.1:3478', '--listen', '203.0.113.2:3478'],
  { logFile: join(out, 'stun-server.log') },
);

const scenarios: Readonly<Record<ScenarioName, () => Promise<void>>> = {
  async byHand() {
    await createKernelDevices();
    // A port-restricted NAT of the laboratory keeps the port.
    await setEndpoint(a, b, `${b.publicAddress}:51820`);
    await setEndpoint(b, a, `${a.publicAddress}:51820`);
    await expectPing(a, b);
  },

  async health() {
    for (const { what, expected, seen } of await healthFacts(a, b, SLOW))
      expect(seen === expected, `${what}: ${seen}, not ${expected}`);
  },

  async diversion() {
    await createKernelDevices();
    const seen = await divertBeside(ALL_AT_ONCE, { from: a, to: b, setEndpoint, expectPing, slow: SLOW });
    const faults = seen.flatMap((one) => faultOf(one) ?? []);
    expect(faults.length === 0, faults.join('; '));
  },

  async daemons() {
    await createKernelDevices();
    await until(() => listens(server.pid, 3478), { what: 'the STUN server to listen', deadlineMs: 6000 * SLOW });
    if (wanted.includes('switching')) await addSideLink(lab);
    await Promise.all([a.startDaemon(), b.startDaemon()]);
    await expectPing(a, b);
    for (const [host, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const peer = await host.daemons[0]?.waitForPhase(other.name, ['connected'], { deadlineMs: 6000 * SLOW });
      expect(peer?.endpoint === `${other.publicAddress}:51820`, `endpoint ${peer?.endpoint}`);
    }
  },

  async capture() {
    for (const host of [a, b]) {
      const device = await host.daemons[0]?.device();
      // The port of the mapping is WireGuard's own: the probe left from the module's port, and its answer came back to us.
      expect(device?.reflexive.ipv4 === `${host.publicAddress}:51820`, `${host.name}: ${device?.reflexive.ipv4}`);
    }
  },

  async switching() {
    for (const perSecond of [5, 20]) {
      const { sticksMs, sent, lost } = await switchOnKernel(lab, perSecond, SLOW);
      process.stdout.write(
        `# ${perSecond}/s: sticks after ${Math.round(sticksMs)} ms, ${lost} of ${sent} pings lost\n`,
      );
      expect(sticksMs <= 2_000 * SLOW, `at ${perSecond}/s it sticks after ${sticksMs} ms`);
      // The old path is muffled for 170 ms, and a computed machine takes its time for the write.
      expect(lost <= perSecond, `at ${perSecond}/s ${lost} of ${sent} pings were lost`);
      if (perSecond === 5) await backOnIpv4(lab, SLOW);
    }
  },

  async netlink() {
    const cases = join(REPOSITORY, 'test/dist/vm/netlink-cases.js');
    const timeoutMs = 10_000 * SLOW;
    const { code, stdout, stderr } = await run(undefined, ['unshare', '--net', process.execPath, cases], { timeoutMs });
    process.stdout.write(stdout);
    const said = `${stdout}${stderr}`.split('\n').filter((line) => !line.startsWith('# passed'));
    expect(code === 0, said.join('\n'));
  },

  async vrf() {
    const batch = ['link add tenant type vrf table 99', 'link set tenant up', `link set ${a.device} master tenant`];
    await must(undefined, ['ip', '-n', a.namespace, '-batch', '-'], { input: `${batch.join('\n')}\n` });
    const probe = join(REPOSITORY, 'test/dist/vm/echo-probe.js');
    const { code, stdout, stderr } = await a.exec([process.execPath, probe, a.device, b.tunnelAddress], {
      timeoutMs: 3000 * SLOW,
    });
    expect(code === 0, `echo through a device in a VRF: ${stdout}${stderr}`);
  },
};

/** The first rule set loads a dozen modules; one for all, before seven namespaces ask for them at the same time. */
async function warmUp(): Promise<void> {
  const chain = (name: string, rule: string) => `add chain ip t ${name}\nadd rule ip t ${name} ${rule}`;
  const rules = [
    'add table ip t',
    'add chain ip t out { type nat hook postrouting priority srcnat; }',
    'add rule ip t out oifname "x" masquerade',
    chain('state', 'ct state established accept'),
    chain('guard', 'iifname "x" meta l4proto udp drop'),
  ];
  const input = `${rules.join('\n')}\n`;
  await must(undefined, ['unshare', '--net', 'nft', '-f', '-'], { input, timeoutMs: 6000 * SLOW });
  await must(undefined, ['unshare', '--net', 'ip', 'link', 'add', 'x', 'type', 'veth', 'peer', 'name', 'y'], {
    timeoutMs: 6000 * SLOW,
  });
}

/** WireGuard devices of the kernel under the names, keys and addresses that the laboratory planned; without endpoints. */
async function createKernelDevices(): Promise<void> {
  for (const host of [a, b]) {
    const peer = host === a ? b : a;
    await run(host.namespace, ['ip', 'link', 'del', host.device]);
    await host.flushConntrack();
    const commands = [
      `ip link add ${host.device} type wireguard`,
      // Through a pipe: what node hands down is a socket, and /dev/stdin cannot be opened for one.
      `cat | wg set ${host.device} listen-port 51820 private-key /dev/stdin peer ${peer.keys.publicKey} allowed-ips ${peer.tunnelAddress}/32 persistent-keepalive 5`,
      `ip address add ${host.tunnelAddress}/24 dev ${host.device}`,
      `ip link set ${host.device} mtu 1420 up`,
    ];
    const input = `${host.keys.secret.toString('base64')}\n`;
    await must(host.namespace, ['sh', '-e', '-c', commands.join('\n')], { input, timeoutMs: 3000 * SLOW });
  }
}

async function setEndpoint(host: Host, peer: Host, endpoint: string): Promise<void> {
  await must(host.namespace, ['wg', 'set', host.device, 'peer', peer.keys.publicKey, 'endpoint', endpoint]);
}

async function expectPing(from: Host, to: Host): Promise<void> {
  const began = performance.now();
  // firstPing wants answers within 0.2 s, which a computed machine may miss.
  const answered = await until(
    async () => (await from.exec(['ping', '-n', '-c', '1', '-W', '2', to.tunnelAddress])).code === 0,
    { what: `a ping from ${from.name} to ${to.name}`, deadlineMs: 20_000 * SLOW, pollMs: 100 },
  );
  if (answered) process.stdout.write(`# first ping after ${Math.round(performance.now() - began)} ms\n`);
}

async function listens(pid: number, port: number): Promise<boolean> {
  const { stdout } = await run(undefined, ['cat', `/proc/${pid}/net/udp`]);
  return stdout.includes(`:${port.toString(16).toUpperCase().padStart(4, '0')} `);
}

function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}

async function saveLogs(laboratory: Lab): Promise<void> {
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'daemons.log'), laboratory.logTails(1_000_000));
  for (const host of [a, b]) {
    const shown = await host.exec(['sh', '-c', `ip address; ip route; wg show ${host.device} | grep -v 'private key'`]);
    await writeFile(join(out, `${host.name}.txt`), shown.stdout + shown.stderr);
  }
}

const names = (Object.keys(wanted.length === 0 ? SCENARIOS : { ...SCENARIOS, ...BY_NAME }) as ScenarioName[]).filter(
  (name) => wanted.length === 0 || wanted.includes(name),
);
process.stdout.write(`TAP version 13\n1..${names.length}\n`);
for (const [index, name] of names.entries()) {
  const began = performance.now();
  try {
    await scenarios[name]();
    process.stdout.write(`ok ${index + 1} - ${name} # ${Math.round(performance.now() - began)} ms\n`);
  } catch (error) {
    process.stdout.write(`not ok ${index + 1} - ${name} # ${String(error).replaceAll(/\s*\n\s*/g, ' | ')}\n`);
    process.exitCode = 1;
  }
}
await saveLogs(lab);
await lab[Symbol.asyncDispose]();
