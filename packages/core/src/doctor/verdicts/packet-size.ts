/** Do packets of full size pass a tunnel that is connected; if not, which MTU lets them? */
import type { Device, Peer } from '../../api/index.js';
import type { InterfaceConfig, PeerConfig } from '../../config/index.js';
import type { PeerSnapshot } from '../../control/snapshot.js';
import { innerAddresses } from '../../controllers/establish/inner-address.js';
import { parseAddress } from '../../net/index.js';
import { formatAge } from '../../runtime/terminal-text.js';
import { wordsOf } from '../../wireguard/platform.js';
import type { DoctorContext } from '../context.js';
import { fromError } from '../finding.js';
import { findPacketSize, type SizeFound } from '../packet-size.js';
import type { Judgement } from './records.js';

/** A living WireGuard answers any packet by a passive keepalive within 10 s (WireGuard paper section 6.5). */
const PASSIVE_MS = 11_000;
const LOOK_MS = 1_000;
/** Below this Linux takes IPv6 away from a device (RFC 8200 section 5). */
const LEAST_IPV6_BYTES = 1_280;

export interface SizeFacts {
  readonly entry: InterfaceConfig;
  readonly config: PeerConfig;
  readonly device: Device;
  readonly wg: Peer;
  /** As a running daemon sees it. */
  readonly seen: PeerSnapshot | undefined;
}

/** Of a peer that is connected; undefined: there is no address inside the tunnel to ping. */
export async function judgePacketSize(context: DoctorContext, facts: SizeFacts): Promise<Judgement | undefined> {
  const { clock, random, signal } = context.parts;
  const underlay = await context.underlay(facts.entry);
  const own = (await underlay.interfaces()).find(({ name }) => name === facts.device.realName);
  // That it is somewhere else has been said.
  if (!own) return undefined;
  const to = await targetOf(context, facts, own.addresses);
  if (to === undefined) return undefined;
  try {
    const found = await findPacketSize({ underlay, clock, random, signal }, to, own.mtu);
    return found.answers ? judgeSize(context, facts, to, found) : await judgeSilence(context, facts, to, found.sent);
  } catch (error) {
    signal.throwIfAborted();
    const { text, ...rest } = fromError(error);
    return { verdict: 'warning', text: `no ping can be sent to ${to}: ${text}`, ...rest };
  }
}

async function targetOf(
  context: DoctorContext,
  { config, device, wg }: SizeFacts,
  own: readonly { readonly address: string; readonly prefixLength: number }[],
): Promise<string | undefined> {
  const { target } = config.ping;
  const named =
    target === undefined || parseAddress(target) ? target : (await resolveTarget(context, target).catch(() => []))[0];
  return innerAddresses({
    peer: wg,
    peers: device.peers,
    ...(named === undefined ? {} : { pingTarget: named }),
    deviceAddresses: own.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  })[0];
}

async function resolveTarget({ parts }: DoctorContext, name: string): Promise<readonly string[]> {
  const four = await parts.resolve(name, 4, parts.signal).catch(() => []);
  return four.length > 0 ? four : parts.resolve(name, 6, parts.signal);
}

function judgeSize({ parts }: DoctorContext, { device }: SizeFacts, to: string, found: SizeFound): Judgement {
  const { fullBytes, passedBytes } = found;
  const details = { fullBytes, passedBytes };
  if (passedBytes === fullBytes)
    return { verdict: 'ok', text: `packets of full size (${fullBytes} bytes) pass to ${to} and back`, details };
  const { setMtu } = wordsOf(parts.system.platform);
  const narrow =
    passedBytes < LEAST_IPV6_BYTES
      ? ' Below 1280 a device has no IPv6: look first for what makes the path so narrow.'
      : '';
  return {
    verdict: 'fault',
    text: `packets of up to ${passedBytes} bytes pass to ${to} and back, larger ones are lost on the way, although the device takes ${fullBytes}: pings work and downloads hang`,
    remedy: `set the MTU of the device to ${passedBytes} on both sides (${setMtu(device.name, passedBytes)}; MTU = ${passedBytes} in wg-quick's file).${narrow}`,
    details,
  };
}

/** Many hosts answer no pings; a peer that is known to, and one of which nothing comes back at all, is another thing. */
async function judgeSilence(
  context: DoctorContext,
  { entry, config, wg, seen }: SizeFacts,
  to: string,
  sent: number,
): Promise<Judgement | undefined> {
  const remedy =
    'run `stunmesh doctor` on both hosts, and look at the firewalls and NATs on the way from here to the peer.';
  const text = `${sent} pings to ${to} unanswered`;
  if (config.ping.enabled || seen?.rttMs !== undefined)
    return { verdict: 'fault', text: `${text}, although it is one that is to answer`, remedy };
  // A daemon looks after that itself.
  if (!seen && !(await hears(context, entry, wg)))
    return { verdict: 'fault', text: `${text}, and nothing at all came back within ${formatAge(PASSIVE_MS)}`, remedy };
  return { verdict: 'note', text: `${text}: whether packets of full size pass was not tried` };
}

/** Whether anything comes from the peer within the time that WireGuard itself takes to answer. */
async function hears(
  { parts }: DoctorContext,
  { name }: InterfaceConfig,
  { publicKey, rxBytes }: Peer,
): Promise<boolean> {
  const { clock, control, signal } = parts;
  const until = clock.now() + PASSIVE_MS;
  while (clock.now() < until) {
    await clock.sleep(LOOK_MS, signal);
    const device = await control.device(name, { signal });
    if ((device.peers.get(publicKey)?.rxBytes ?? rxBytes) !== rxBytes) return true;
  }
  return false;
}
