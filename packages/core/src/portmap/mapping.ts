/** What a router is asked for, what it grants, and what it says instead. */
import type { Family } from '../api/index.js';
import type { PortmapProtocol } from '../config/index.js';
import type { Epoch } from './codec/epoch.js';
import { externalAddressKind } from './codec/external-address.js';
import type { IgdService } from './codec/igd-description.js';

/** In the order in which they are tried. */
export const PORTMAP_PROTOCOLS: readonly PortmapProtocol[] = ['pcp', 'nat-pmp', 'upnp'];

/** F53. */
export const LEASE_SECONDS = 7_200;

export interface MappingRequest {
  readonly family: Family;
  /** WireGuard's listen port. */
  readonly internalPort: number;
  /** The address that STUN sees: a mapping of another one is of no use (F50). */
  readonly reflexiveAddress: string;
  /** Ports that must not be given (F51). */
  readonly taken: readonly number[];
  /** The external port to ask for; `attempt` grows where a router says that it is somebody else's. */
  externalPort(attempt: number): number;
  /** PCP's, of a mapping that we have or had (F52). */
  readonly nonce?: Uint8Array;
  /** UPnP's, that answered before. */
  readonly service?: IgdService;
}

/** What is needed to release a mapping, also one of an earlier process (F52). */
export interface MappingHandle {
  readonly protocol: PortmapProtocol;
  /** The router's address, without zone. */
  readonly gateway: string;
  readonly family: Family;
  readonly internalPort: number;
  readonly externalPort: number;
  /** PCP. */
  readonly nonce?: Uint8Array;
  /** UPnP, of this process. */
  readonly service?: IgdService;
}

export interface Mapping extends MappingHandle {
  readonly externalAddress: string;
  /** 0: until it is deleted (F54). */
  readonly leaseSeconds: number;
  /** PCP and NAT-PMP. */
  readonly epoch?: Epoch;
}

/** silent: no answer in time. absent: nobody listens, or not to this protocol. held: the budget of packets is used up. */
export type Missing = 'silent' | 'absent' | 'held';

export interface Failure {
  readonly protocol: PortmapProtocol;
  readonly kind: Missing | 'refused' | 'double-nat';
  /** As part of a sentence. */
  readonly why: string;
}

export type MapOutcome = Mapping | Failure;

export function isMapping(outcome: MapOutcome): outcome is Mapping {
  return 'leaseSeconds' in outcome;
}

/** How a mapping that was granted stands now. */
export type Inquiry = { readonly kind: 'kept'; readonly epoch?: Epoch } | { readonly kind: 'lost' | Missing };

const MISSING: Readonly<Record<Missing, string>> = {
  silent: 'does not answer',
  absent: 'is not there',
  held: 'is not asked now, as it was asked often in the last minute',
};
export const PROTOCOL_NAMES: Readonly<Record<PortmapProtocol, string>> = {
  pcp: 'PCP',
  'nat-pmp': 'NAT-PMP',
  upnp: 'UPnP',
};

export function missingFailure(protocol: PortmapProtocol, kind: Missing): Failure {
  return { protocol, kind, why: `${PROTOCOL_NAMES[protocol]} ${MISSING[kind]}` };
}

export function refusedFailure(protocol: PortmapProtocol, reason: string): Failure {
  return { protocol, kind: 'refused', why: `${PROTOCOL_NAMES[protocol]}: ${reason}` };
}

/** Of a router that answered other questions: miniupnpd meets what its rules forbid with silence. */
export function unansweredFailure(protocol: PortmapProtocol, kind: Missing): Failure {
  return kind === 'silent'
    ? refusedFailure(protocol, 'the router answers, but not when it is asked for a port: its rules may forbid it')
    : missingFailure(protocol, kind);
}

/** Why a mapping at this external address does not help; undefined: nothing is against it (F50). */
export function judgeExternalAddress(
  protocol: PortmapProtocol,
  external: string,
  { reflexiveAddress }: Pick<MappingRequest, 'reflexiveAddress'>,
): Failure | undefined {
  const kind = externalAddressKind(external);
  // Somebody else has the address that STUN sees.
  if (kind === 'unusable')
    return doubleNatFailure(protocol, `the router has no external address itself, and STUN sees ${reflexiveAddress}`);
  if (kind === 'private')
    return doubleNatFailure(protocol, `the router's own external address, ${external}, is a private one`);
  if (external === reflexiveAddress) return undefined;
  return doubleNatFailure(protocol, `the router's external address is ${external}, and STUN sees ${reflexiveAddress}`);
}

export function doubleNatFailure(protocol: PortmapProtocol, reason: string): Failure {
  return { protocol, kind: 'double-nat', why: `${PROTOCOL_NAMES[protocol]}: ${reason}` };
}
