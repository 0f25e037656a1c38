/** One device with many peers: all connected, or all out of reach, with records made by hand. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Daemon,
  daemonConfig,
  type Host,
  type KeyPair,
  type Lab,
  type LabSpec,
  REPOSITORY,
  sleep,
  until,
} from '../index.js';
import { codeOf, Folder, open, seal } from './records.js';

/** Host `a` has the crowd, host `b` plays all of it. */
export const CROWD_SPEC: LabSpec = {
  sides: { a: { nats: ['full'] }, b: { nats: ['none'] } },
  coturn: [1, 2],
};

export interface CrowdOptions {
  readonly count: number;
  /** Whether each peer is really there (see wireguard-crowd.mjs) and connected before the daemon starts. */
  readonly connected: boolean;
  readonly plugin: Readonly<Record<string, unknown>>;
  readonly refreshInterval: string;
}

export interface Crowd {
  readonly host: Host;
  readonly daemon: Daemon;
  readonly phantoms: readonly KeyPair[];
  readonly folder: Folder;
  /** Refreshes that have begun, and ended, since this was made; so many of the ended ones may have been counted twice. */
  readonly refreshes: { begun: number; ended: number; twice: number };
  /** Milliseconds that each took. */
  readonly tookMs: number[];
}

/** The full NAT of `a` shows WireGuard's port so. */
const MAPPED_PORT = 41820;
const SAMPLE_MS = 50;
/** All peers of the crowd share one address and port; WireGuard tells them apart by their sessions. */
const PLAYER_PORT = 40001;

export async function gather(lab: Lab, options: CrowdOptions): Promise<Crowd> {
  const [host, player] = [lab.host('a'), lab.host('b')];
  const phantoms = await host.addPhantomPeers(options.count);
  const folder = new Folder(lab.storeDir);
  const t = Math.floor(Date.now() / 1000);
  for (const [i, phantom] of phantoms.entries()) {
    const ipv4 = options.connected ? `${player.plan.hostAddress}:${PLAYER_PORT}` : `203.0.113.5:${10_000 + i}`;
    const record = JSON.stringify({ ipv4, c: codeOf({ sender: phantom.publicKey, t, n: 1 }) });
    await folder.put(phantom.publicKey, host.keys.publicKey, seal(record, phantom, host.keys.publicKey));
  }
  if (options.connected) await play(player, host, phantoms);
  const peers = Object.fromEntries(
    phantoms.map(({ publicKey }, i) => [`p${i}`, { public_key: publicKey, plugin: 'folder', protocol: 'ipv4' }]),
  );
  const extra = { interfaces: { [host.device]: { protocol: 'ipv4', peers } }, log: { level: 'warn' } };
  const plugins = { folder: options.plugin };
  const { refreshInterval } = options;
  const config = daemonConfig(host, lab, { plugins, refreshInterval, extra });
  const daemon = await host.startDaemon({ config });
  await daemon.waitFor(() => true, { what: 'the daemon', deadlineMs: 60_000 });
  const crowd: Crowd = { host, daemon, phantoms, folder, refreshes: { begun: 0, ended: -1, twice: 0 }, tookMs: [] };
  await countRefreshes(crowd);
  return crowd;
}

/** Runs all peers in one process on `player`; resolves when each has shaken hands. */
async function play(player: Host, host: Host, phantoms: readonly KeyPair[]): Promise<void> {
  const crowd = player.spawn([process.execPath, join(REPOSITORY, 'test/fixtures/e2e/wireguard-crowd.mjs')]);
  const server = { publicKey: host.keys.publicKey, address: host.publicAddress, port: MAPPED_PORT };
  crowd.end(
    JSON.stringify({ port: PLAYER_PORT, server, secrets: phantoms.map(({ secret }) => secret.toString('hex')) }),
  );
  await until(
    () => {
      if (!crowd.running) throw new Error(crowd.stderr);
      return crowd.stdout.startsWith('ready');
    },
    { what: `${phantoms.length} answers to handshakes`, deadlineMs: 60_000 },
  );
  const done = async (): Promise<boolean> =>
    (await host.deviceState()).peers.filter((peer) => peer.latestHandshakeAt > 0).length >= phantoms.length;
  await until(done, { what: `${phantoms.length} handshakes` });
}

async function countRefreshes({ daemon, refreshes, tookMs }: Crowd): Promise<void> {
  const begun: number[] = [];
  const { first } = await daemon.events((event) => {
    if (event.event === 'refresh') {
      refreshes.begun += 1;
      begun.push(event.at);
    } else if (event.event === 'refreshed') {
      refreshes.ended += 1;
      // The first one began before we listened.
      if (refreshes.ended > 0) tookMs.push(event.at - (begun.shift() ?? event.at));
    }
  });
  // Unless it had ended by then, or ends while the snapshot is written: then it is counted twice.
  if (first.devices[0]?.peers.every((peer) => peer.reads > 0 && peer.published !== undefined)) {
    refreshes.ended = 0;
    refreshes.twice = 1;
  }
}

/** Resolves when `count` refreshes that begin from now on have ended. */
export async function afterRefreshes({ refreshes }: Crowd, count: number, deadlineMs: number): Promise<void> {
  const wanted = refreshes.begun + count + refreshes.twice;
  await until(() => refreshes.ended >= wanted, { what: `${count} refreshes`, deadlineMs });
}

/** The peers whose record in the folder does not open to the present address, with what it says. */
export async function stale({ host, phantoms, folder }: Crowd): Promise<string[]> {
  const wanted = `${host.publicAddress}:${MAPPED_PORT}`;
  const found = await Promise.all(
    phantoms.map(async (phantom, i) => {
      const value = await folder.get(host.keys.publicKey, phantom.publicKey).catch(() => '');
      const record = JSON.parse(open(value, host.keys.publicKey, phantom) ?? '{}') as { ipv4?: string };
      return `p${i}: ${record.ipv4}`;
    }),
  );
  return found.filter((line) => !line.endsWith(`: ${wanted}`));
}

export async function readCounts({ daemon }: Crowd): Promise<readonly number[]> {
  return (await daemon.device()).peers.map((peer) => peer.reads);
}

/** Bytes of resident memory. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** The lowest of many readings until the work has ended. */
export async function lowestResidentBytes({ daemon }: Crowd, work: Promise<void>): Promise<number> {
  let lowest = await residentBytes(daemon.pid);
  let working = true;
  const sampled = (async () => {
    while (working) {
      lowest = Math.min(lowest, await residentBytes(daemon.pid));
      await sleep(SAMPLE_MS);
    }
  })();
  await work.finally(() => {
    working = false;
  });
  await sampled;
  return lowest;
}

export interface CpuTime {
  /** Milliseconds of the process itself. */
  readonly ownMs: number;
  /** Milliseconds of its children that have ended. */
  readonly childrenMs: number;
}

/** proc(5): fields 14 to 17 of stat, in ticks of 10 ms. */
export async function cpuTime(pid: number): Promise<CpuTime> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const ticks = (i: number): number => fields[i - 3] ?? 0;
  return { ownMs: (ticks(14) + ticks(15)) * 10, childrenMs: (ticks(16) + ticks(17)) * 10 };
}
