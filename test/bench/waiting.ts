/** What waiting for peers costs where a store tells of changes: ten thousand on one device, of whom all but a hundred are away. */

import { daemonConfig } from '../e2e/lab/daemon-config.js';
import { type Lab, openLab, sleep, startRedis } from '../e2e/lab/index.js';
import { CROWD_SPEC, cpuTime, residentBytes } from '../e2e/lab/steps/crowd.js';
import type { Report } from './report.js';
import { standIn } from './wireguard-stand-in.js';

const PEERS = 10_000;
const CONNECTED = 100;
const MIB = 1024 * 1024;
const CPU_TARGET_PERCENT = 3;
const RSS_TARGET_MIB = 200;
const START_LIMIT_MS = 300_000;
/** What a start leaves behind is done, and all records were read once more since the watch proved itself. */
const SETTLE_MS = 150_000;
const WATCH_MS = 60_000;

const STORES: Readonly<Record<string, (lab: Lab) => Promise<Readonly<Record<string, unknown>>>>> = {
  Redis: async (lab) => (await startRedis(lab)).plugin,
  file: async (lab) => ({ type: 'builtin', name: 'file', path: lab.storeDir }),
};

export async function benchWaiting(report: Report): Promise<void> {
  report.title(
    `${PEERS} peers, ${PEERS - CONNECTED} away, ${WATCH_MS / 1000} s between two refreshes (WireGuard: the bench's stand-in at its socket)`,
  );
  for (const [name, plugin] of Object.entries(STORES))
    await benchStore(report, name, plugin).catch((error: Error) => report.missing(`${name} store`, error.message));
}

async function benchStore(report: Report, name: string, makePlugin: (typeof STORES)[string]): Promise<void> {
  await using lab = await openLab(CROWD_SPEC);
  const host = lab.host('a');
  await using crowd = await standIn(host.device, PEERS, CONNECTED);
  const peers = Object.fromEntries(
    crowd.publicKeys.map((publicKey, i) => [`p${i}`, { public_key: publicKey, plugin: 'folder', protocol: 'ipv4' }]),
  );
  const extra = { interfaces: { [host.device]: { protocol: 'ipv4', peers } }, log: { level: 'warn' } };
  const config = daemonConfig(host, lab, { plugins: { folder: await makePlugin(lab) }, extra });
  const daemon = await host.startDaemon({ config });
  await daemon.waitFor(({ devices: [device] }) => device?.peers.every((peer) => peer.published !== undefined), {
    what: 'the last publication',
    deadlineMs: START_LIMIT_MS,
    pollMs: 3_000,
  });
  await sleep(SETTLE_MS);
  const calls = async () => {
    const { stores } = await daemon.status();
    return { gets: stores[0]?.gets ?? 0, sets: stores[0]?.sets ?? 0 };
  };
  const [callsBefore, cpuBefore] = [await calls(), await cpuTime(daemon.pid)];
  const startedAt = performance.now();
  await sleep(WATCH_MS);
  const cpuAfter = await cpuTime(daemon.pid);
  const tookMs = performance.now() - startedAt;
  const resident = (await residentBytes(daemon.pid)) / MIB;
  const callsAfter = await calls();
  const share = (100 * (cpuAfter.ownMs - cpuBefore.ownMs)) / tookMs;
  report.row({ what: `${name}: CPU, share of one core`, values: [share], unit: '%', target: CPU_TARGET_PERCENT });
  report.row({ what: `${name}: resident memory`, values: [resident], unit: 'MiB', target: RSS_TARGET_MIB });
  const reads = callsAfter.gets - callsBefore.gets;
  report.row({ what: `${name}: records read`, values: [reads], unit: 'times', target: 2 });
  const writes = callsAfter.sets - callsBefore.sets;
  report.row({ what: `${name}: heartbeats and records written`, values: [writes], unit: 'times', target: 3 });
}
