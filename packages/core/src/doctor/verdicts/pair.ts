/** Whether two hosts can connect, by the behaviour of the NATs before both, and what would change it; pure. */
import type { Family } from '../../api/index.js';
import type { FilteringBehaviour, MappingBehaviour, NatSummary } from '../../nat/behaviour-types.js';
import { isSteady } from '../../nat/mapping.js';
import { describeNat, natKind, type PairContext, type PairSide } from '../pair.js';
import { pairRemedies } from './pair-remedies.js';

export interface PairVerdict {
  readonly outcome: 'connects' | 'cannot' | 'unknown';
  /** By which it connects. */
  readonly family?: Family;
  /** One sentence. */
  readonly words: string;
  /** Things to do, each sufficient by itself, the most promising first; none where it connects. */
  readonly remedies: readonly string[];
}

/** Foretells plain hole punching as WireGuard does it: both send to what the other's record names, and follow whoever gets through. */
export function pairVerdict(own: PairSide, peer: PairSide, context: PairContext = {}): PairVerdict {
  const [ownName, peerName] = [context.ownName ?? 'this host', context.peerName ?? 'the peer'];
  const families = ([4, 6] as const).flatMap((family) => {
    const [a, b] = family === 4 ? [own.ipv4, peer.ipv4] : [own.ipv6, peer.ipv6];
    return a && b
      ? [{ family, a, b, outcome: outcomeOf(a, b, family === 4 && context.samePublicAddress === true) }]
      : [];
  });
  const best =
    families.find(({ outcome }) => outcome === 'connects') ??
    families.find(({ outcome }) => outcome === 'unknown') ??
    families[0];
  const way = best?.outcome === 'connects' ? undefined : openWay(context, ownName, peerName);
  if (way !== undefined) return { outcome: 'connects', words: way, remedies: [] };
  const remedies = (): readonly string[] => pairRemedies(own, peer, { ...context, ownName, peerName });
  if (!best)
    return {
      outcome: 'cannot',
      words: `${ownName} and ${peerName} publish no address of the same family`,
      remedies: ['give both IPv4, or both IPv6, and let stunmesh publish it (protocol: dualstack)'],
    };
  const { family, a, b, outcome } = best;
  const its = context.peerUnknown !== undefined && natKind(b) === 'unknown' ? context.peerUnknown : describeNat(b);
  const both = `${ownName} has ${describeNat(a)}, ${peerName} ${its}`;
  if (outcome === 'connects')
    return { outcome, family, words: `should connect by IPv${family}: ${both}`, remedies: [] };
  if (outcome === 'cannot') {
    const { search } = context;
    if (search?.possible)
      return {
        outcome: 'connects',
        family,
        words: `should connect within minutes, once a search has found the port of the symmetric NAT: ${both}`,
        remedies: [],
      };
    return { outcome, words: `cannot connect: ${both}${search ? `; ${search.why}` : ''}`, remedies: remedies() };
  }
  if (family === 4 && context.samePublicAddress === true)
    return {
      outcome,
      words: `${ownName} and ${peerName} are behind the same public address: they connect only if that router sends packets back inwards (hairpinning)`,
      remedies: ['let both tell their LAN addresses (lan: true, and stunmesh on both sides), or use IPv6'],
    };
  return { outcome, words: `cannot be foretold: ${both}`, remedies: remedies() };
}

/** Ways that no NAT stands in: the daemon tries them beside the others. An address on a link of ours may be another host's where the
 * public addresses differ: two sites often have the same prefix. */
function openWay(
  { lan, peerOpen, ownOpen, samePublicAddress }: PairContext,
  ownName: string,
  peerName: string,
): string | undefined {
  if (lan !== undefined && samePublicAddress === true)
    return `should connect inside the common network: ${peerName} is at ${lan} there`;
  if (peerOpen !== undefined) return `should connect at ${peerOpen}, where ${peerName} lets strangers in`;
  if (ownOpen !== undefined) return `should connect at ${ownOpen}, where ${ownName} lets strangers in`;
  return undefined;
}

const MAPPINGS: readonly MappingBehaviour[] = ['endpoint-independent', 'address-and-port-dependent'];
const FILTERINGS: readonly FilteringBehaviour[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
];

/** What is unknown is tried with every value: only where all agree there is a verdict. */
function outcomeOf(a: NatSummary, b: NatSummary, sameAddress: boolean): PairVerdict['outcome'] {
  const results = new Set(
    possible(a).flatMap((one) => possible(b).map((other) => reaches(one, other) || reaches(other, one))),
  );
  if (results.size > 1) return 'unknown';
  if (!results.has(true)) return 'cannot';
  return sameAddress ? 'unknown' : 'connects';
}

function possible({ mapping, filtering, cgnat }: NatSummary): readonly NatSummary[] {
  const mappings = mapping === 'unknown' ? MAPPINGS : [mapping];
  const filterings = filtering === 'unknown' ? FILTERINGS : [filtering];
  return mappings.flatMap((m) => filterings.map((f) => ({ mapping: m, filtering: f, cgnat })));
}

/** Whether a packet of `from` to the endpoint that `to` publishes gets in, once `to` has sent to what `from` publishes. */
function reaches(from: NatSummary, to: NatSummary): boolean {
  // The hole towards the STUN server is the one that was published: of others only an open one lets anybody in.
  if (to.filtering === 'endpoint-independent') return true;
  if (!isSteady(to)) return false;
  return to.filtering === 'address-dependent' || isSteady(from);
}
