/** What the places where several servers saw one port tell of a NAT's mapping (RFC 4787 section 4, RFC 5780 section 4.3); pure. */
import type { Endpoint } from '../api/index.js';
import { formatEndpoint, sameEndpoint } from '../net/index.js';
import type { MappingBehaviour, ServerObservation } from './behaviour-types.js';

export interface MappingObservation extends ServerObservation {
  /** False: the mapped address is this host's own. */
  readonly natted: boolean;
}

export interface MappingVerdict {
  readonly mapping: MappingBehaviour;
  /** Servers that contradict at least two others, which agree. */
  readonly outliers: readonly string[];
  readonly reasons: readonly string[];
}

/** Both addresses of a server as they saw us: address and port asked, other address, other address and other port. */
export interface PairedObservations {
  readonly first: Endpoint;
  readonly otherAddress: Endpoint;
  readonly otherPort: Endpoint | undefined;
}

/** Another port for each destination: what a record names leads through it from nowhere else ("symmetric"). */
export function isSymmetric({ mapping }: { readonly mapping: MappingBehaviour }): boolean {
  return mapping === 'address-dependent' || mapping === 'address-and-port-dependent';
}

/** One port for all destinations. */
export function isSteady({ mapping }: { readonly mapping: MappingBehaviour }): boolean {
  return mapping === 'endpoint-independent' || mapping === 'none';
}

/** By one answer of each of several servers. A dependent mapping is not told apart further here. */
export function judgeObservations(observations: readonly MappingObservation[]): MappingVerdict {
  const [first] = observations;
  if (!first) return { mapping: 'unknown', outliers: [], reasons: ['no STUN server gave a usable answer'] };
  const groups = groupObservations(observations);
  const agreed = groups.find((group) => countAddresses(group) > 1);
  const trusted = agreed ?? (groups.length === 1 ? observations : undefined);
  if (trusted) {
    const outliers = observations.filter((observation) => !trusted.includes(observation));
    return {
      mapping: trusted[0]?.natted === false ? 'none' : agreed ? 'endpoint-independent' : 'unknown',
      outliers: outliers.map((observation) => observation.server),
      reasons: [
        ...outliers.map(
          ({ server, mapped }) =>
            `${server} sees ${formatEndpoint(mapped)}, the others see ${formatEndpoint(trusted[0]?.mapped ?? mapped)}: its answer is not trusted`,
        ),
        ...(agreed || trusted[0]?.natted === false
          ? []
          : ['one server alone cannot tell how the NAT maps: configure a second one with another address']),
      ],
    };
  }
  const elsewhere = observations.some((observation) => observation.mapped.address !== first.mapped.address);
  const list = observations.map(({ server, mapped }) => `${server} sees ${formatEndpoint(mapped)}`).join(', ');
  if (elsewhere)
    return {
      mapping: 'unknown',
      outliers: [],
      reasons: [`${list}: a server lies, or packets leave by several public addresses; a third server would tell`],
    };
  return {
    mapping: 'address-and-port-dependent',
    outliers: [],
    reasons: ['each server sees another port; whether the port asked counts, or its address alone, is not told'],
  };
}

/** By one server with two addresses (RFC 5780 section 4.3, tests I to III). */
export function judgePair({ first, otherAddress, otherPort }: PairedObservations): MappingBehaviour {
  if (sameEndpoint(first, otherAddress)) return 'endpoint-independent';
  if (otherPort === undefined) return 'address-and-port-dependent';
  return sameEndpoint(otherAddress, otherPort) ? 'address-dependent' : 'address-and-port-dependent';
}

/** The step between outer ports, taken in the order in which they were asked for; undefined where there is none. */
export function allocationDelta(ports: readonly number[]): number | undefined {
  const steps = ports.slice(1).map((port, i) => port - (ports[i] ?? 0));
  const [step] = steps;
  if (step === undefined || steps.length < 2 || step === 0) return undefined;
  return steps.every((other) => other === step) ? step : undefined;
}

/** The largest group first. */
function groupObservations(observations: readonly MappingObservation[]): readonly MappingObservation[][] {
  const groups = new Map<string, MappingObservation[]>();
  for (const observation of observations) {
    // The host's own masquerade may give a probe another port, which says nothing about a NAT.
    const key = observation.natted ? formatEndpoint(observation.mapped) : observation.mapped.address;
    groups.set(key, [...(groups.get(key) ?? []), observation]);
  }
  return [...groups.values()].sort((a, b) => countAddresses(b) - countAddresses(a));
}

function countAddresses(observations: readonly MappingObservation[]): number {
  return new Set(observations.map((observation) => observation.address.address)).size;
}
