/** Asks a router by UPnP (WANIPConnection 1 and 2, WANPPPConnection 1): IPv4 alone; what was granted is read back. */
import { refusedExternalPort } from './codec/external-port.js';
import type { IgdService } from './codec/igd-description.js';
import type { SoapAnswer } from './codec/soap.js';
import type { Gateway } from './gateway.js';
import { addressIn, callIgd, findIgdService, portIn } from './igd-service.js';
import {
  doubleNatFailure,
  type Failure,
  type Inquiry,
  judgeExternalAddress,
  LEASE_SECONDS,
  type MapOutcome,
  type Mapping,
  type MappingHandle,
  type MappingRequest,
  type Missing,
  missingFailure,
  refusedFailure,
  unansweredFailure,
} from './mapping.js';

/** WANIPConnection 2, section 2.5, and the UPnP Device Architecture. */
const CODES = {
  invalidAction: 401,
  invalidArgs: 402,
  actionFailed: 501,
  noSuchEntry: 714,
  conflict: 718,
  samePortRequired: 724,
  permanentOnly: 725,
} as const;
const REASONS: Readonly<Record<number, string>> = {
  501: 'the action failed',
  606: 'not allowed: its policy, or a port of somebody else',
  718: 'the port is somebody else’s',
  728: 'it has no mapping left',
  729: 'the port is in use there',
};
/** Each answer that names another way to ask leads to one more question; three ports, a permanent lease, the older action. */
const ATTEMPTS = 6;
const PROTOCOL = 'UDP';

export async function mapByUpnp(gateway: Gateway, request: MappingRequest, signal: AbortSignal): Promise<MapOutcome> {
  const known = request.service && (await externalOf(gateway, request.service, signal));
  // It may have moved to another port since.
  const service = known ? request.service : await findIgdService(gateway, signal);
  if (typeof service === 'string') return missingFailure('upnp', service);
  const external = known ?? (service && (await externalOf(gateway, service, signal)));
  if (!service || !external) return missingFailure('upnp', 'silent');
  if (external.kind === 'fault') return addressRefusal(external.code);
  const externalAddress = addressIn(external.values, 'NewExternalIPAddress');
  const badAddress = judgeExternalAddress('upnp', externalAddress, request);
  if (badAddress) return badAddress;
  const added = await add(gateway, service, request, signal);
  if ('kind' in added) return added;
  const mapping: Mapping = {
    protocol: 'upnp',
    gateway: gateway.address,
    family: request.family,
    internalPort: request.internalPort,
    externalAddress,
    service,
    ...added,
  };
  const there = await readBack(gateway, mapping, signal);
  if (there === 'ours') return mapping;
  if (typeof there === 'string' && there !== 'gone' && there !== 'foreign') return missingFailure('upnp', there);
  return refusedFailure('upnp', `the router says yes, and has no mapping of port ${mapping.externalPort} to this host`);
}

async function externalOf(gateway: Gateway, service: IgdService, signal: AbortSignal): Promise<SoapAnswer | undefined> {
  const answer = await callIgd(gateway, service, 'GetExternalIPAddress', [], signal);
  return typeof answer === 'string' ? undefined : answer;
}

type Added = Pick<Mapping, 'externalPort' | 'leaseSeconds'>;

async function add(
  gateway: Gateway,
  service: IgdService,
  request: MappingRequest,
  signal: AbortSignal,
): Promise<Added | Failure> {
  const { internalPort, taken } = request;
  // Version 2 gives another port where ours is taken.
  let any = service.type.endsWith('WANIPConnection:2');
  let leaseSeconds = LEASE_SECONDS;
  let conflicts = 0;
  let samePort = false;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const wanted = samePort ? internalPort : request.externalPort(conflicts);
    const action = any ? 'AddAnyPortMapping' : 'AddPortMapping';
    const answer = await callIgd(
      gateway,
      service,
      action,
      [
        ['NewRemoteHost', ''],
        ['NewExternalPort', wanted],
        ['NewProtocol', PROTOCOL],
        ['NewInternalPort', internalPort],
        ['NewInternalClient', gateway.source],
        ['NewEnabled', 1],
        ['NewPortMappingDescription', `stunmesh ${internalPort}`],
        ['NewLeaseDuration', leaseSeconds],
      ],
      signal,
    );
    if (typeof answer === 'string') return unansweredFailure('upnp', answer);
    if (answer.kind === 'values') {
      const externalPort = any ? portIn(answer.values, 'NewReservedPort') : wanted;
      const badPort = samePort ? undefined : refusedExternalPort(externalPort, taken);
      if (badPort === undefined) return { externalPort, leaseSeconds };
      await releaseByUpnp(
        gateway,
        { ...request, protocol: 'upnp', gateway: gateway.address, externalPort, service },
        signal,
      );
      return refusedFailure('upnp', `the router gave a port that is of no use: ${badPort}`);
    }
    const { code } = answer;
    const permanent = code === CODES.permanentOnly || (code === CODES.invalidArgs && leaseSeconds !== 0);
    if (any && code === CODES.invalidAction) any = false;
    else if (permanent && leaseSeconds !== 0) leaseSeconds = 0;
    else if (code === CODES.samePortRequired && !samePort) samePort = true;
    else if (code === CODES.conflict && !samePort && conflicts < 2) conflicts += 1;
    else return refusedFailure('upnp', `the router refuses (${code}${REASONS[code] ? `, ${REASONS[code]}` : ''})`);
  }
  return refusedFailure('upnp', 'the router refuses whatever it is asked');
}

function addressRefusal(code: number): Failure {
  return code === CODES.actionFailed
    ? doubleNatFailure('upnp', 'the router says that it has no public address itself (501)')
    : refusedFailure('upnp', `the router does not tell its external address (${code})`);
}

async function readBack(
  gateway: Gateway,
  { externalPort, internalPort, service }: MappingHandle,
  signal: AbortSignal,
): Promise<'ours' | 'gone' | 'foreign' | Missing> {
  if (!service) return 'absent';
  const entry = await callIgd(
    gateway,
    service,
    'GetSpecificPortMappingEntry',
    [
      ['NewRemoteHost', ''],
      ['NewExternalPort', externalPort],
      ['NewProtocol', PROTOCOL],
    ],
    signal,
  );
  if (typeof entry === 'string') return entry;
  if (entry.kind === 'fault') return entry.code === CODES.noSuchEntry ? 'gone' : 'foreign';
  const ours =
    portIn(entry.values, 'NewInternalPort') === internalPort &&
    addressIn(entry.values, 'NewInternalClient') === gateway.source;
  return ours ? 'ours' : 'foreign';
}

/** UPnP has no epoch: the mapping itself is looked at. */
export async function inquireByUpnp(gateway: Gateway, mapping: Mapping, signal: AbortSignal): Promise<Inquiry> {
  const there = await readBack(gateway, mapping, signal);
  if (there === 'ours') return { kind: 'kept' };
  return { kind: there === 'gone' || there === 'foreign' ? 'lost' : there };
}

/** True: the router says that it is gone. One that is not ours stays (F56). */
export async function releaseByUpnp(gateway: Gateway, handle: MappingHandle, signal: AbortSignal): Promise<boolean> {
  const service = handle.service ?? (await findIgdService(gateway, signal));
  if (typeof service === 'string') return false;
  if ((await readBack(gateway, { ...handle, service }, signal)) !== 'ours') return false;
  const answer = await callIgd(
    gateway,
    service,
    'DeletePortMapping',
    [
      ['NewRemoteHost', ''],
      ['NewExternalPort', handle.externalPort],
      ['NewProtocol', PROTOCOL],
    ],
    signal,
  );
  return typeof answer !== 'string' && answer.kind === 'values';
}
