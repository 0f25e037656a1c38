/** `unsettled-minute.js`: what a daemon costs in a minute in which its only peer is away, by wg(8) and by netlink, each with a kernel device of this
 * network namespace; exit status 1 where netlink starts a process or costs more than wg(8). How much less is a number
 * of the bench. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createKeyPair, LabProcess, REPOSITORY, sleep, until } from '../e2e/lab/index.js';

const MINUTE_MS = 60_000;
/** The first readings of records, the first discovery and the compiler's work are over by then. */
const SETTLE_MS = 60_000;
const START_MS = 240_000;
/** _SC_CLK_TCK of Linux. */
const TICKS_A_SECOND = 100;
const PORTS = { wg: 51820, netlink: 51821 } as const;
const SERVERS = ['203.0.113.1', '203.0.113.2'].map((address) => `${address}:3478`);
const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');

interface Minute {
  readonly processorMs: number;
  /** How often wg(8) was started. */
  readonly wgStarts: number;
  /** Page faults of children that ended: no process begins without some. */
  readonly childFaults: number;
}

const exec = promisify(execFile);
const shell = (commands: readonly string[]) => exec('sh', ['-e', '-c', commands.join('\n')]);
const folder = await mkdtemp(join(tmpdir(), 'stunmesh-quiet-'));
const server = await openHost();
// At the same time: both on a machine that is as busy.
const [byTool, byNetlink] = await Promise.all([minuteBy('wg'), minuteBy('netlink')]);
await server[Symbol.asyncDispose]();
await rm(folder, { recursive: true, force: true });
process.stdout.write(`# wg(8): ${JSON.stringify(byTool)}, netlink: ${JSON.stringify(byNetlink)}\n`);
const wrong = [
  [byTool.wgStarts > 0 && byTool.childFaults > 0, 'wg(8) was not started, and nothing is compared'],
  [byNetlink.wgStarts === 0 && byNetlink.childFaults === 0, 'by netlink a process was started'],
  [byNetlink.processorMs < byTool.processorMs, 'netlink costs more than wg(8)'],
].flatMap(([holds, otherwise]) => (holds ? [] : [otherwise]));
process.stdout.write(wrong.map((line) => `# FAILED: ${line}\n`).join(''));
process.exit(wrong.length === 0 ? 0 : 1);

/** A network with our own STUN server in it. */
async function openHost(): Promise<LabProcess> {
  await shell([
    'ip link set lo up',
    'ip link add wan type dummy',
    'ip address add 203.0.113.1/24 dev wan',
    'ip address add 203.0.113.2/24 dev wan',
    'ip link set wan up',
    'ip route add default dev wan',
  ]);
  await mkdir(join(folder, 'records'), { mode: 0o700 });
  const listen = SERVERS.flatMap((address) => ['--listen', address]);
  return new LabProcess(undefined, [process.execPath, MAIN, 'stun-server', ...listen], {});
}

/** A device with one peer that nobody is; the configuration for it. */
async function openDevice(way: keyof typeof PORTS, place: string): Promise<string> {
  const [own, peer] = [createKeyPair(), createKeyPair()];
  const key = join(place, 'key');
  await writeFile(key, own.secret.toString('base64'), { mode: 0o600 });
  const device = `smt${way}`;
  await shell([
    `ip link add ${device} type wireguard`,
    `wg set ${device} listen-port ${PORTS[way]} private-key ${key} peer ${peer.publicKey} allowed-ips 10.9.0.2/32`,
    `ip link set ${device} up`,
  ]);
  const config = {
    run_dir: join(place, 'run'),
    state_dir: join(place, 'state'),
    ...(way === 'wg' && { capture: await withoutNetlink(place) }),
    stun: { addresses: SERVERS },
    plugins: { records: { type: 'builtin', name: 'file', path: join(folder, 'records') } },
    interfaces: { [device]: { peers: { away: { public_key: peer.publicKey, plugin: 'records' } } } },
  };
  const file = join(place, 'config.json');
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return file;
}

/** A daemon by netlink, or with a capture module that leaves the kernel's WireGuard to wg(8). */
async function minuteBy(way: keyof typeof PORTS): Promise<Minute> {
  const place = join(folder, way);
  await mkdir(place);
  const starts = join(place, 'starts');
  await writeFile(starts, '');
  const real = (await exec('sh', ['-c', 'command -v wg'])).stdout.trim();
  await writeFile(join(place, 'wg'), `#!/bin/sh\necho >>${starts}\nexec ${real} "$@"\n`, { mode: 0o755 });
  const file = await openDevice(way, place);
  const daemon = new LabProcess(undefined, [process.execPath, MAIN, '-c', file, '--log-format', 'json'], {
    env: { PATH: `${place}:${process.env['PATH']}` },
  });
  const log = () => daemon.stdout + daemon.stderr;
  try {
    await until(() => log().includes('device found'), { what: `the device by ${way}`, deadlineMs: START_MS }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}: ${log()}`);
      },
    );
    if (!log().includes(`"controlledBy":"${way}"`)) throw new Error(`it is not controlled by ${way}: ${log()}`);
    await sleep(SETTLE_MS);
    const before = { ...(await costs(daemon.pid)), wgStarts: await lines(starts) };
    await sleep(MINUTE_MS);
    const after = { ...(await costs(daemon.pid)), wgStarts: await lines(starts) };
    return {
      processorMs: after.processorMs - before.processorMs,
      wgStarts: after.wgStarts - before.wgStarts,
      childFaults: after.childFaults - before.childFaults,
    };
  } finally {
    daemon.signal('SIGTERM');
    await daemon.exited;
  }
}

async function withoutNetlink(place: string): Promise<string> {
  const module = join(place, 'capture.mjs');
  const linux = join(REPOSITORY, 'packages/capture-linux/dist/index.js');
  const text = `import linux from '${linux}';\nconst { wireguard, ...capture } = linux;\nexport default capture;\n`;
  await writeFile(module, text, { mode: 0o644 });
  return module;
}

/** proc_pid_stat(5): its own and its ended children's. */
async function costs(pid: number): Promise<Omit<Minute, 'wgStarts'>> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = fields.slice(11, 15).reduce((sum, each) => sum + each, 0);
  return { processorMs: (ticks * 1000) / TICKS_A_SECOND, childFaults: fields[8] ?? Number.NaN };
}

async function lines(file: string): Promise<number> {
  return (await readFile(file, 'utf8')).split('\n').length;
}
