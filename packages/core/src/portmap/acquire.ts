/** Asks the router for a mapping by one protocol after the other until one grants it; what was granted is looked after and released by the same one. */
import type { PortmapProtocol } from '../config/index.js';
import { IN_HURRY } from './exchange.js';
import type { Gateway } from './gateway.js';
import { findIgdService } from './igd-service.js';
import {
  type Failure,
  type Inquiry,
  isMapping,
  type MapOutcome,
  type Mapping,
  type MappingHandle,
  type MappingRequest,
  PORTMAP_PROTOCOLS,
} from './mapping.js';
import { answersNatPmp, inquireByNatPmp, mapByNatPmp, releaseByNatPmp } from './nat-pmp-client.js';
import { inquireByPcp, mapByPcp, releaseByPcp } from './pcp-client.js';
import { inquireByUpnp, mapByUpnp, releaseByUpnp } from './upnp-client.js';

interface Client {
  map(gateway: Gateway, request: MappingRequest, signal: AbortSignal): Promise<MapOutcome>;
  inquire(gateway: Gateway, mapping: Mapping, signal: AbortSignal): Promise<Inquiry>;
  release(gateway: Gateway, handle: MappingHandle, signal: AbortSignal): Promise<boolean>;
}

const CLIENTS: Readonly<Record<PortmapProtocol, Client>> = {
  pcp: { map: mapByPcp, inquire: inquireByPcp, release: releaseByPcp },
  'nat-pmp': { map: mapByNatPmp, inquire: inquireByNatPmp, release: releaseByNatPmp },
  upnp: { map: mapByUpnp, inquire: inquireByUpnp, release: releaseByUpnp },
};

export interface Acquired {
  readonly mapping?: Mapping;
  /** Of the protocols that were asked before, in order. */
  readonly failures: readonly Failure[];
}

/** `first`: a protocol that this router answered before. Never rejects; an aborted signal ends it as if the router were silent. */
export async function acquire(
  gateway: Gateway,
  request: MappingRequest,
  wanted: ReadonlySet<PortmapProtocol>,
  signal: AbortSignal,
  first?: PortmapProtocol,
): Promise<Acquired> {
  const failures: Failure[] = [];
  // NAT-PMP knows IPv4 alone; UPnP's pinholes are not asked for.
  const able = PORTMAP_PROTOCOLS.filter((one) => wanted.has(one) && (request.family === 4 || one === 'pcp'));
  for (const protocol of able.toSorted((a, b) => Number(b === first) - Number(a === first))) {
    const outcome = await CLIENTS[protocol].map(gateway, request, signal);
    if (isMapping(outcome)) return { mapping: outcome, failures };
    failures.push(outcome);
    // Another protocol of the same router changes nothing of that.
    if (outcome.kind === 'double-nat' || signal.aborted) break;
  }
  return { failures };
}

export function inquire(gateway: Gateway, mapping: Mapping, signal: AbortSignal): Promise<Inquiry> {
  return CLIENTS[mapping.protocol].inquire(gateway, mapping, signal);
}

/** True: the router says that the mapping is gone. */
export function release(gateway: Gateway, handle: MappingHandle, signal: AbortSignal): Promise<boolean> {
  return CLIENTS[handle.protocol].release(gateway, handle, signal);
}

/** The first protocol, in our order, that the router answers; nothing is mapped. Never rejects. */
export async function findProtocol(gateway: Gateway, signal: AbortSignal): Promise<PortmapProtocol | undefined> {
  if ((await inquireByPcp(gateway, {}, signal, IN_HURRY)).kind === 'kept') return 'pcp';
  if (await answersNatPmp(gateway, signal)) return 'nat-pmp';
  return typeof (await findIgdService(gateway, signal)) === 'string' ? undefined : 'upnp';
}
