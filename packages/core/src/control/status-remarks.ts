/** What an operator can do about a peer that is not well, in words; and which peers are not. */
import { PATH_WORDS } from '../paths/path-words.js';
import { formatMs, list } from '../runtime/terminal-text.js';
import type { DeviceSnapshot, PeerSnapshot, Snapshot } from './snapshot.js';

const ADVICE: Readonly<Partial<Record<PeerSnapshot['phase'], string>>> = {
  waiting:
    'no record of the peer yet: start stunmesh there, with the same store and our public key; its own has to be the one that is configured here',
  connecting:
    'no answer at this endpoint so far: is stunmesh running there, and does its WireGuard have our public key?',
  suspect: 'the tunnel went silent and is being connected again',
};
const PARKED_ADVICE =
  'no answer at any of its addresses so far: is stunmesh running there, and does its WireGuard have our public key?';
/** A phase that is over sooner needs no advice. */
const ADVISE_AFTER_MS = 10_000;

/** In this order peers are shown: what is wrong comes first. */
const URGENCY: readonly PeerSnapshot['phase'][] = ['suspect', 'connecting', 'waiting', 'idle', 'connected'];

/** False for a peer that somebody has to look at, or that is on its way. */
export function isWell(peer: PeerSnapshot): boolean {
  return peer.present && peer.lastError === undefined && (peer.phase === 'connected' || peer.phase === 'idle');
}

/** False where no router maps the port that was asked for, and a peer may need it: who is connected does without. */
export function isMappingWell(portMapping: DeviceSnapshot['portMapping'], peers: readonly PeerSnapshot[]): boolean {
  return portMapping?.state !== 'failed' || peers.every(({ phase }) => phase === 'connected');
}

/** True when nothing that these snapshots show is wrong. */
export function allWell(snapshots: readonly Snapshot[]): boolean {
  return snapshots.every(
    ({ devices, stores }) =>
      stores.every(({ state }) => state === 'up') &&
      devices.every(
        ({ state, errors, peers, portMapping }) =>
          state === 'up' && errors.length === 0 && peers.every(isWell) && isMappingWell(portMapping, peers),
      ),
  );
}

/** The peers, what is wrong first, else as the configuration has them. */
export function byUrgency(device: DeviceSnapshot): readonly PeerSnapshot[] {
  const rank = (peer: PeerSnapshot) => (isWell(peer) ? 100 : peer.present ? 0 : 50) + URGENCY.indexOf(peer.phase);
  return device.peers
    .map((peer, i) => ({ peer, i }))
    .sort((a, b) => rank(a.peer) - rank(b.peer) || a.i - b.i)
    .map(({ peer }) => peer);
}

/** Members of a record, and candidates in its member `c`. */
const OMITTED: Readonly<Record<string, string>> = {
  ipv6: 'the IPv6 address',
  c: 'all but the public addresses (time, NAT, other addresses)',
  mappedPort: 'the mapped port',
  pinholePort: 'the port opened for IPv6',
  lan4: 'the LAN address',
  secondLan4: 'the second LAN address',
  lan6: 'the LAN address of IPv6',
  configured4: 'the advertised address',
  configured6: 'the advertised address of IPv6',
};

/** What our record for the peer has no room for. */
export function recordRemarks({ published }: PeerSnapshot): readonly string[] {
  if (!published || published.omitted.length === 0) return [];
  const omitted = list(published.omitted.map((name) => OMITTED[name] ?? name));
  return [`our record leaves out ${omitted}: the store takes no more`];
}

/** The other ways that work; where none does, why. */
function pathRemarks({ paths = [], path, parked, phase, phaseForMs, present }: PeerSnapshot): readonly string[] {
  const valid = paths.filter(({ state, endpoint }) => state === 'valid' && endpoint !== path?.endpoint);
  const words = valid.map(
    (one) =>
      `${one.endpoint} (${[PATH_WORDS[one.class], ...(one.rttMs === undefined ? [] : [formatMs(one.rttMs)])].join(', ')})`,
  );
  const lines = words.length === 0 ? [] : [`${path ? 'also ' : ''}valid: ${words.join(', ')}`];
  if (!present || path || valid.length > 0 || phaseForMs < ADVISE_AFTER_MS || phase === 'waiting') return lines;
  if (parked) lines.push('parked: nothing is sent to it but checks, until one is answered');
  for (const { endpoint, why, class: kind } of paths)
    if (why !== undefined) lines.push(`${endpoint} (${PATH_WORDS[kind]}): ${why}`);
  return lines;
}

/** 12:40, as the clock of this host shows it. */
function clockTime(ms: number): string {
  return new Date(ms).toTimeString().slice(0, 5);
}

/** How a hard NAT is dealt with. */
export function searchRemarks({ search, diverted }: PeerSnapshot): readonly string[] {
  const lines = diverted ? [`diverted to source port ${diverted.sourcePort}, towards ${diverted.endpoint}`] : [];
  if (!search) return lines;
  const { series, sent, of, nextAt, pausedUntil, why } = search;
  if (why !== undefined) lines.push(`hard NAT: ${why}`);
  else if (of > 0) lines.push(`opening a hard NAT: series ${series}, ${sent} of ${of.toLocaleString('en')} packets`);
  else if (pausedUntil !== undefined) lines.push(`hard NAT: paused until ${clockTime(pausedUntil)} (budget)`);
  else if (nextAt !== undefined) lines.push(`hard NAT: the next series begins at ${clockTime(nextAt)}`);
  return lines;
}

/** What is wrong with a peer. Without a code the words are always the same ones, and name nobody. */
export interface Trouble {
  readonly text: string;
  readonly code?: string;
}

/** `state`: the device's; while that is not there nothing can be said of who is reached by it. */
export function trouble(peer: PeerSnapshot, state: DeviceSnapshot['state']): Trouble | undefined {
  const isSearched = peer.search !== undefined && peer.search.why === undefined;
  if (peer.present && peer.bothSymmetric && !isSearched && peer.phase !== 'connected')
    return {
      text: 'both NATs are symmetric (another public port for each destination): the two cannot connect as they are; see `stunmesh doctor`',
    };
  if (peer.lastError) return { text: peer.lastError.message, code: peer.lastError.code };
  const isYoung = peer.phase === 'connecting' && peer.phaseForMs < ADVISE_AFTER_MS;
  const advice = state === 'up' && peer.present && !isYoung ? ADVICE[peer.phase] : undefined;
  return advice === undefined ? undefined : { text: peer.parked ? PARKED_ADVICE : advice };
}

/** All that is to be said of a peer, a line each. */
export function remarks(peer: PeerSnapshot, state: DeviceSnapshot['state']): readonly string[] {
  const lines = [...recordRemarks(peer), ...pathRemarks(peer), ...searchRemarks(peer)];
  const wrong = trouble(peer, state);
  if (wrong) lines.push(`! ${wrong.text}${wrong.code === undefined ? '' : ` [${wrong.code}]`}`);
  return lines;
}
