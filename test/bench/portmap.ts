/** The router that maps a port: how fast a pair connects by it, and how long it takes until what the router forgot is back. */
import { type LabSpec, openLab, sleep, until } from '../e2e/lab/index.js';
import { expectTunnel } from '../e2e/lab/steps/pair.js';
import { startRouter } from '../e2e/portmap/steps/router.js';
import type { Report } from './report.js';

const PROTOCOLS = ['pcp', 'nat-pmp', 'upnp'] as const;
type Protocol = (typeof PROTOCOLS)[number];

const FIRST_PING_TARGET_MS = 2_000;
const DEADLINE_MS = 20_000;
/** Those that have an epoch, which is asked for once a minute; UPnP's ten minutes are shown by the fake clock alone. */
const WITH_EPOCH = ['pcp', 'nat-pmp'] as const;
const RESTART_TARGET_MS = 65_000;
/** Until the tunnel counts as silent, and half a minute more. */
const RELOAD_TARGET_MS = 120_000;
/** An epoch has to be some seconds old before it can fall. */
const EPOCH_MS = 4_000;
const POLL_MS = 250;

/** Without the mapped port they do not reach each other. */
const HARD: LabSpec = {
  sides: { a: { nats: ['symmetric'], wireguard: { keepaliveSeconds: 5 } }, b: { nats: ['symmetric'] } },
  coturn: [1, 2],
};
/** The tunnel outlives the router's restart, so that nothing but the epoch tells of it. */
const EASY: LabSpec = {
  sides: { a: { nats: ['symmetric'], wireguard: { keepaliveSeconds: 5 } }, b: { nats: ['none'] } },
  coturn: [1, 2],
};

export async function benchPortmap(report: Report, runs: number): Promise<void> {
  report.title(`Port mapping: symmetric pair, miniupnpd at one side, file store, ${runs} runs each`);
  for (const protocol of PROTOCOLS) {
    const values: number[] = [];
    for (let run = 0; run < runs; run += 1) values.push(await firstPing(protocol));
    report.row({ what: `first ping, mapped by ${protocol}`, values, unit: 'ms', target: FIRST_PING_TARGET_MS });
  }
  report.title(
    'A router that forgot, once each (UPnP has no epoch: its ten minutes are a unit test of the fake clock)',
  );
  const waiting = [...WITH_EPOCH.map(restarted), reloaded()];
  const values = await Promise.all(waiting);
  for (const [i, protocol] of WITH_EPOCH.entries()) {
    const what = `router restarted: mapped again by ${protocol}`;
    report.row({ what, values: [values[i] ?? Number.NaN], unit: 'ms', target: RESTART_TARGET_MS });
  }
  const what = 'firewall reloaded, epoch goes on: tunnel healed, by pcp';
  report.row({ what, values: [values.at(-1) ?? Number.NaN], unit: 'ms', target: RELOAD_TARGET_MS });
}

async function firstPing(protocol: Protocol): Promise<number> {
  await using lab = await openLab(HARD);
  const [a, b] = [lab.host('a'), lab.host('b')];
  await startRouter(lab, a);
  const startedAt = performance.now();
  await Promise.all([a.startDaemon({ device: { port_mapping: [protocol] } }), b.startDaemon()]);
  return (await b.firstPing(a, { startedAt, deadlineMs: DEADLINE_MS })) ?? Number.POSITIVE_INFINITY;
}

/** Milliseconds from the router's restart to its rule for the port; infinite: not within twice the target. */
async function restarted(protocol: Protocol): Promise<number> {
  await using lab = await openLab(EASY);
  const [a, b] = [lab.host('a'), lab.host('b')];
  const router = await startRouter(lab, a);
  await Promise.all([a.startDaemon({ device: { port_mapping: [protocol] } }), b.startDaemon()]);
  await expectTunnel(a, b);
  const isMapped = async () => (await router.rules()).includes('dnat');
  await until(isMapped, { what: `a port mapped by ${protocol}`, pollMs: POLL_MS });
  await sleep(EPOCH_MS);
  await router.restart();
  const startedAt = performance.now();
  return await until(isMapped, { what: 'the port again', pollMs: POLL_MS, deadlineMs: 2 * RESTART_TARGET_MS }).then(
    () => performance.now() - startedAt,
    () => Number.POSITIVE_INFINITY,
  );
}

/** Milliseconds until the peer reaches us again; infinite: not within twice the target. */
async function reloaded(): Promise<number> {
  await using lab = await openLab(HARD);
  const [a, b] = [lab.host('a'), lab.host('b')];
  const router = await startRouter(lab, a);
  await Promise.all([a.startDaemon({ device: { port_mapping: ['pcp'] } }), b.startDaemon()]);
  await expectTunnel(a, b);
  await router.reloadFirewall();
  const startedAt = performance.now();
  const healed = await b.firstPing(a, { startedAt, deadlineMs: 2 * RELOAD_TARGET_MS });
  return healed ?? Number.POSITIVE_INFINITY;
}
