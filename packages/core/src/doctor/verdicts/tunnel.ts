/** The verdict on one tunnel, in words: connected, should work, needs the other side, or cannot work, and what would change that. */
import type { Device, Endpoint, Peer } from '../../api/index.js';
import type { InterfaceConfig, PeerConfig } from '../../config/index.js';
import type { DeviceSnapshot, PeerSnapshot } from '../../control/snapshot.js';
import type { NatBehaviour } from '../../nat/behaviour-types.js';
import { natOf } from '../../nat/code.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import type { RemoteCandidate } from '../../paths/path.js';
import type { RemoteCandidates } from '../../paths/remote-candidates.js';
import { isPlan, planSearch } from '../../paths/search-plan.js';
import type { ParsedRecord } from '../../record/endpoint-record.js';
import type { PathCode } from '../../record/path-code.js';
import { formatAge } from '../../runtime/terminal-text.js';
import type { PeerRecords } from '../context.js';
import { attempt, type DoctorContext, familiesOf } from '../context.js';
import { type PairContext, type PairSide, UNKNOWN_NAT } from '../pair.js';
import { pairVerdict } from './pair.js';
import type { Judgement } from './records.js';

/** WireGuard refuses to use a session that is older (whitepaper section 6.1, Reject-After-Time). */
export const SESSION_MS = 180_000;

export interface Life {
  readonly connected: boolean;
  /** Milliseconds; undefined: never. */
  readonly handshakeAgeMs: number | undefined;
  /** As a running daemon sees it. */
  readonly phase?: PeerSnapshot['phase'];
}

export interface TunnelFacts {
  readonly entry: InterfaceConfig;
  readonly config: PeerConfig;
  readonly device: Device;
  readonly wg: Peer;
  readonly records: PeerRecords;
  readonly life: Life;
  /** What a running daemon found out of our own NATs. */
  readonly known?: DeviceSnapshot | undefined;
  /** Of the peer's record, as this host may use them; undefined: its writer knows no checks. */
  readonly candidates?: RemoteCandidates | undefined;
}

/** NATs seldom become others within this time. */
const PASSED_MS = 30 * 60_000;
/** A daemon that runs examines its NATs within this time of its start, and tells of them in its records. */
const EXAMINED_MS = 60_000;

/** A daemon that watches the peer knows better than the handshake's age. */
export function lifeOf(wg: Peer, seen: PeerSnapshot | undefined, now: number): Life {
  const handshakeAgeMs = wg.latestHandshakeAt === undefined ? undefined : now - wg.latestHandshakeAt;
  const young = handshakeAgeMs !== undefined && handshakeAgeMs < SESSION_MS;
  return {
    connected: seen ? seen.phase === 'connected' : young,
    handshakeAgeMs,
    ...(seen ? { phase: seen.phase } : {}),
  };
}

/** undefined: there is no record to go by, which is a finding already. */
export async function judgeTunnel(context: DoctorContext, facts: TunnelFacts): Promise<Judgement | undefined> {
  const { wg, life, config, device, records } = facts;
  const at = wg.endpoint ? ` at ${formatEndpoint(wg.endpoint)}` : '';
  const handshake =
    life.handshakeAgeMs === undefined
      ? 'no handshake yet'
      : `the last handshake was ${formatAge(life.handshakeAgeMs)} ago`;
  const silence = wg.txBytes > 0 && wg.rxBytes === 0 ? `, ${wg.txBytes} bytes were sent and none came back` : '';
  const details = { phase: life.phase, endpoint: wg.endpoint ? formatEndpoint(wg.endpoint) : undefined };
  if (life.connected) return { verdict: 'ok', text: `connected${at}: ${handshake}`, details };
  if (life.phase === 'idle')
    return { verdict: 'ok', text: `idle${at}: nothing to send, and nothing wrong; ${handshake}`, details };

  const record = newestOf(records);
  // Why nobody knows where it is has been said.
  if (!record) return undefined;
  const ours = await ownSide(context, facts);
  if (!ours.side.ipv4 && !ours.side.ipv6)
    return {
      verdict: 'note',
      text: `nothing can be foretold while no STUN server tells where this host is; ${handshake}`,
      details,
    };
  const { value: capture } = await attempt(context.capture());
  const verdict = pairVerdict(ours.side, peerSide(record, config), {
    ownName: 'this host',
    peerName: config.name,
    peerUnknown: untold(record, context.parts.clock.wallNow()),
    samePublicAddress: ours.mapped.some(({ address }) => address === record.ipv4?.address),
    ...openWays(facts),
    ...searchOf(facts, ours, record, capture === undefined || capture.divert !== undefined),
    ownPort: device.listenPort,
  });
  const remedies = verdict.remedies.join('; or ');
  const told = { ...details, outcome: verdict.outcome };
  if (verdict.outcome === 'cannot')
    return {
      verdict: 'fault',
      text: `${verdict.words}; ${handshake}`,
      ...(remedies === '' ? {} : { remedy: `${remedies}.` }),
      details: told,
    };
  // A handshake needs both ways: what stood between the two a moment ago is no reason to change NATs.
  const passed = verdict.outcome === 'unknown' && (life.handshakeAgeMs ?? Number.POSITIVE_INFINITY) < PASSED_MS;
  const unknown = verdict.outcome === 'unknown' && !passed && remedies !== '';
  const steps = [...nextSteps(facts, record), ...(unknown ? [remedies] : [])];
  const words = passed ? 'the NATs of both let the two connect before, and it is silent now' : verdict.words;
  return {
    // Without a daemon nothing was tried yet.
    verdict: life.phase === undefined ? 'note' : 'warning',
    text: `${words}; ${handshake}${at}${silence}`,
    remedy: `${steps.join('; ')}.`,
    details: told,
  };
}

function nextSteps({ life, wg, config }: TunnelFacts, record: ParsedRecord): readonly string[] {
  if (life.phase === undefined) return ['start stunmesh here and look again'];
  const stands = [record.ipv4, record.ipv6].some((endpoint) => endpoint && sameEndpoint(endpoint, wg.endpoint));
  return [
    stands
      ? `look on ${config.name}: stunmesh and WireGuard run there, and its peer with our public key has our tunnel address in its AllowedIPs`
      : 'wait some seconds, and look again',
  ];
}

/** What needs no hole: the local network, and ports that a router forwards; only between hosts that both know checks. */
function openWays({ candidates, entry, known }: TunnelFacts): Pick<PairContext, 'lan' | 'peerOpen' | 'ownOpen'> {
  if (!candidates) return {};
  const text = (found: RemoteCandidate | undefined) => (found ? formatEndpoint(found.endpoint) : undefined);
  const lan = text(candidates.candidates.find((one) => one.lan));
  const peerOpen = text(candidates.candidates.find(({ type }) => type === 'configured' || type === 'mapped'));
  const ours = known?.candidates?.find(({ type }) => type === 'configured' || type === 'mapped')?.endpoint;
  const ownOpen = ours ?? entry.advertise[0];
  return {
    ...(lan === undefined ? {} : { lan }),
    ...(peerOpen === undefined ? {} : { peerOpen }),
    ...(ownOpen === undefined ? {} : { ownOpen }),
  };
}

/** As the daemon decides it: both know checks, and the two records tell how the symmetric NAT chooses its ports. */
function searchOf(
  { entry, config }: TunnelFacts,
  { side, mapped }: { readonly side: PairSide; readonly mapped: readonly Endpoint[] },
  record: ParsedRecord,
  diverts: boolean,
): Pick<PairContext, 'search'> {
  if (!record.c || !side.ipv4) return {};
  const { mapping, filtering, cgnat, allocation = 'unknown' } = side.ipv4;
  const code: PathCode = {
    ...record.c,
    mapping4: mapping,
    filtering4: filtering,
    cgnat,
    allocation,
    candidates: {},
  };
  const ipv4 = mapped.find(({ family }) => family === 4);
  const found = planSearch(
    { code, ipv4, ageMs: 0 },
    { code: record.c, ipv4: record.ipv4, ageMs: 0 },
    config.hardNat ?? entry.hardNat,
    diverts,
  );
  if (isPlan(found)) return { search: { possible: true } };
  return found.isEasy ? {} : { search: { possible: false, why: found.why } };
}

export function newestOf({ theirs }: PeerRecords): ParsedRecord | undefined {
  return theirs
    .flatMap(({ record, error }) => (record && !error ? [record] : []))
    .toSorted((a, b) => (b.t ?? 0) - (a.t ?? 0))[0];
}

/** Families that both the interface publishes and the peer is reached by. */
function wanted(config: PeerConfig): { readonly four: boolean; readonly six: boolean } {
  return { four: config.protocol !== 'ipv6', six: config.protocol !== 'ipv4' };
}

/** How a NAT is called of which a record says nothing. */
function untold({ f, t }: ParsedRecord, now: number): string {
  const age = f === undefined || t === undefined ? undefined : now - t * 1000;
  const young = age !== undefined && age < EXAMINED_MS;
  return `a NAT that its record does not tell of${young ? ` yet (it is ${formatAge(Math.max(0, age))} old, and a daemon tells within a minute of its start)` : ''}`;
}

async function ownSide(
  context: DoctorContext,
  { entry, config, known }: TunnelFacts,
): Promise<{ readonly side: PairSide; readonly mapped: readonly Endpoint[] }> {
  const { four, six } = wanted(config);
  const found: NatBehaviour[] = [];
  for (const family of familiesOf(entry).filter((family) => (family === 4 ? four : six))) {
    const { value } = await attempt(context.nat(entry, family));
    if (value?.mapped) found.push(value);
  }
  const of = (family: 4 | 6) => found.find((nat) => nat.family === family);
  // Where the servers could not tell this time, they may have told the daemon.
  const [ipv4, ipv6] = ([4, 6] as const).map((family) => {
    const now = of(family);
    const before = known?.nat?.[`ipv${family}`];
    const less = now?.mapping === 'unknown' || (now?.filtering === 'unknown' && now.mapping === before?.mapping);
    return (less ? before : undefined) ?? now;
  });
  return {
    side: { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}) },
    mapped: found.flatMap(({ mapped }) => mapped ?? []),
  };
}

/** What the record says of the NATs there; an older writer says nothing. */
function peerSide(record: ParsedRecord, config: PeerConfig): PairSide {
  const { four, six } = wanted(config);
  const told = natOf(record.c);
  return {
    ...(record.ipv4 && four ? { ipv4: told.get(4) ?? UNKNOWN_NAT } : {}),
    ...(record.ipv6 && six ? { ipv6: told.get(6) ?? UNKNOWN_NAT } : {}),
  };
}
