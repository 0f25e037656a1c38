/** What becomes of each peer: on the device, its record, and a verdict on the tunnel in words. */
import type { Device, Peer } from '../../api/index.js';
import type { InterfaceConfig, PeerConfig } from '../../config/index.js';
import { createSemaphore, type Semaphore } from '../../runtime/semaphore.js';
import { list } from '../../runtime/terminal-text.js';
import { attempt, type DoctorContext, familiesOf } from '../context.js';
import { type Check, type Finding, fromError, remedyOf } from '../finding.js';
import { judgeFault } from '../verdicts/fault.js';
import { judgeOwn } from '../verdicts/own.js';
import { judgePacketSize } from '../verdicts/packet-size.js';
import { candidatesOf, judgePaths } from '../verdicts/paths.js';
import { type Judgement, judgeRecords } from '../verdicts/records.js';
import { judgeTunnel, lifeOf, newestOf } from '../verdicts/tunnel.js';

const check = 'peer';
/** Strangers that are named; the rest is a number. */
const MOST_NAMED = 3;
/** Tunnels that pings are sent into at a time. */
const MOST_PINGED = 32;

export const peerCheck: Check<DoctorContext> = {
  name: check,
  run: async (context) => {
    const gate = createSemaphore(MOST_PINGED);
    return (await Promise.all(context.interfaces.map((entry) => look(context, entry, gate)))).flat();
  },
};

async function look(context: DoctorContext, entry: InterfaceConfig, gate: Semaphore): Promise<readonly Finding[]> {
  const { value: device } = await attempt(context.device(entry.name));
  if (!device) return [];
  const lists = await Promise.all(
    [...entry.peers.values()].map(async (config): Promise<readonly Finding[]> => {
      const wg = device.peers.get(config.publicKey);
      return wg
        ? examine(context, entry, config, device, wg, gate)
        : [missing(context.config?.interfaces.get(entry.name) ?? entry, config, device)];
    }),
  );
  return lists.flat();
}

function missing(entry: InterfaceConfig, config: PeerConfig, device: Device): Finding {
  const known = new Set([...entry.peers.values()].map(({ publicKey }) => publicKey));
  const strangers = [...device.peers.keys()].filter((key) => !known.has(key));
  const named = strangers.slice(0, MOST_NAMED);
  const hint =
    strangers.length === 0
      ? device.peers.size === 0
        ? 'the device has no peers'
        : 'all peers that it has are in the configuration under other names'
      : `of its peers ${list([...named, ...(strangers.length > named.length ? [`${strangers.length - named.length} more`] : [])])} ${
          strangers.length === 1 ? 'is' : 'are'
        } not in the configuration`;
  return {
    check,
    subject: `${entry.name}/${config.name}`,
    verdict: 'fault',
    text: `the device has no peer with the public key ${config.publicKey}; ${hint}`,
    remedy: remedyOf('ERR_WG_PEER_NOT_FOUND'),
    code: 'ERR_WG_PEER_NOT_FOUND',
  };
}

async function examine(
  context: DoctorContext,
  entry: InterfaceConfig,
  config: PeerConfig,
  device: Device,
  wg: Peer,
  gate: Semaphore,
): Promise<readonly Finding[]> {
  const subject = `${entry.name}/${config.name}`;
  const [{ value: records, error }, daemons] = await Promise.all([
    attempt(context.records(entry, config.name)),
    context.daemons(entry.name),
  ]);
  if (!records) return [{ check, subject, verdict: 'fault', ...fromError(error) }];
  const now = context.parts.clock.wallNow();
  const served = daemons.flatMap((daemon) => daemon.device ?? []);
  const seen = served.flatMap(({ peers }) => peers).find(({ publicKey }) => publicKey === config.publicKey);
  const life = lifeOf(wg, seen, now);
  const nats = await Promise.all(familiesOf(entry).map((family) => attempt(context.nat(entry, family))));
  const natted = nats.some(
    ({ value }) => value?.mapped && (value.mapping !== 'none' || value.filtering !== 'endpoint-independent'),
  );
  const own = judgeOwn(records, {
    daemonRuns: seen !== undefined,
    connected: life.connected,
    listenPort: device.listenPort,
    nats: nats.flatMap(({ value }) => value ?? []),
  });
  const candidates = await candidatesOf(context, entry, config, device, newestOf(records));
  const paths = judgePaths(seen, candidates);
  const tunnel = await judgeTunnel(context, { entry, config, device, wg, records, life, known: served[0], candidates });
  const found = judgeRecords(records, { ownKey: device.publicKey, now, connected: life.connected });
  const said = judgeFault(seen, found);
  // The peer writes for the key that it knows us by, so that nothing of it is to be found.
  const judged = said?.code === 'ERR_KEY_CHANGED' ? found.map(asNote) : found;
  const size = life.connected
    ? await gate.run(() => judgePacketSize(context, { entry, config, device, wg, seen }))
    : undefined;
  // Whose record stands in the place of ours has been said.
  const ours = own && said?.code !== 'ERR_KEY_SHARED' ? [own] : [];
  const others = [...judged, ...ours, ...habits(wg, natted), ...(said ? [said] : [])];
  // That it should connect is no help where a fault says why it does not; what we cannot write is a fault of the store.
  const explained =
    seen?.writeFault !== undefined ||
    said?.code === 'ERR_CAPTURE_OPEN' ||
    served.some(({ state }) => state !== 'up') ||
    others.some(({ verdict }) => verdict === 'fault');
  return [
    ...others,
    ...(tunnel && !(explained && tunnel.verdict === 'warning') ? [tunnel] : []),
    ...(paths ? [paths] : []),
    ...(size ? [size] : []),
  ].map((judgement) => ({ check, subject, ...judgement }));
}

function asNote(judgement: Judgement): Judgement {
  return judgement.verdict === 'fault' ? { verdict: 'note', text: judgement.text } : judgement;
}

/** How the peer is set up in WireGuard, as far as it makes a difference. */
function habits({ keepaliveSeconds, allowedIps }: Peer, natted: boolean): readonly Judgement[] {
  const found: Judgement[] = [];
  if (allowedIps.length === 0)
    found.push({
      verdict: 'warning',
      text: 'WireGuard has no AllowedIPs for it: nothing can be sent through this tunnel',
      remedy: "add the peer's tunnel address to its AllowedIPs.",
    });
  if (keepaliveSeconds === 0 && natted)
    found.push({
      verdict: 'note',
      text: 'no persistent keepalive: a NAT or firewall forgets a tunnel that is silent for half a minute',
      remedy:
        'set PersistentKeepalive = 25 on the side that is behind a NAT, if the tunnel has to be reachable at all times.',
    });
  return found;
}
