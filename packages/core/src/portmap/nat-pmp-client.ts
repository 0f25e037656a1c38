/** Asks a router by NAT-PMP (RFC 6886): IPv4 alone. */
import { epochBroke } from './codec/epoch.js';
import { refusedExternalPort } from './codec/external-port.js';
import { formatNatPmpAddress, formatNatPmpMap, type NatPmpAnswer, parseNatPmpAnswer } from './codec/nat-pmp.js';
import { AT_EASE, exchange, IN_HURRY } from './exchange.js';
import type { Gateway } from './gateway.js';
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

const PORT = 5351;
/** A second wish, where the first one was answered by a port that is of no use. */
const ATTEMPTS = 2;

type Pace = typeof IN_HURRY | typeof AT_EASE;
type AddressAnswer = Exclude<NatPmpAnswer, { readonly kind: 'map' }>;
type MapAnswer = Exclude<NatPmpAnswer, { readonly kind: 'address' }>;

function askAddress(gateway: Gateway, pace: Pace, signal: AbortSignal): Promise<AddressAnswer | Missing> {
  return exchange<AddressAnswer>(gateway, {
    port: PORT,
    messages: [formatNatPmpAddress()],
    ...pace,
    signal,
    read(message) {
      const answer = parseNatPmpAnswer(message);
      return answer?.kind === 'address' || (answer?.kind === 'error' && answer.of === 'address') ? answer : undefined;
    },
  });
}

function askMap(
  gateway: Gateway,
  question: Parameters<typeof formatNatPmpMap>[0],
  signal: AbortSignal,
): Promise<MapAnswer | Missing> {
  return exchange<MapAnswer>(gateway, {
    port: PORT,
    messages: [formatNatPmpMap(question)],
    ...IN_HURRY,
    signal,
    read(message) {
      const answer = parseNatPmpAnswer(message);
      if (answer?.kind === 'map' && answer.internalPort === question.internalPort) return answer;
      return answer?.kind === 'error' && answer.of === 'map' ? answer : undefined;
    },
  });
}

export async function mapByNatPmp(gateway: Gateway, request: MappingRequest, signal: AbortSignal): Promise<MapOutcome> {
  const { family, internalPort } = request;
  const address = await askAddress(gateway, IN_HURRY, signal);
  if (typeof address === 'string') return missingFailure('nat-pmp', address);
  if (address.kind !== 'address' || address.result !== 'success') return refusal(address);
  const { externalAddress } = address;
  const badAddress = judgeExternalAddress('nat-pmp', externalAddress, request);
  if (badAddress) return badAddress;
  let outcome: MapOutcome = missingFailure('nat-pmp', 'silent');
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const question = { internalPort, externalPort: request.externalPort(attempt), lifetimeSeconds: LEASE_SECONDS };
    const answer = await askMap(gateway, question, signal);
    if (typeof answer === 'string') return unansweredFailure('nat-pmp', answer);
    if (answer.kind !== 'map' || answer.result !== 'success') return refusal(answer);
    if (answer.lifetimeSeconds === 0)
      return refusedFailure('nat-pmp', 'the router granted a mapping of no time at all');
    const mapping: Mapping = {
      protocol: 'nat-pmp',
      gateway: gateway.address,
      family,
      internalPort,
      externalPort: answer.externalPort,
      externalAddress,
      leaseSeconds: Math.min(answer.lifetimeSeconds, LEASE_SECONDS),
      epoch: { seconds: answer.epochSeconds, at: gateway.clock.now() },
    };
    const badPort = refusedExternalPort(mapping.externalPort, request.taken);
    if (badPort === undefined) return mapping;
    await releaseByNatPmp(gateway, mapping, signal);
    outcome = refusedFailure('nat-pmp', `the router gave a port that is of no use: ${badPort}`);
  }
  return outcome;
}

function refusal({ result }: NatPmpAnswer): Failure {
  if (result === 'unsupported-version' || result === 'unsupported-opcode') return missingFailure('nat-pmp', 'absent');
  // Section 3.5: it has no external address; one that is private counts as none with many routers.
  if (result === 'network-failure')
    return doubleNatFailure('nat-pmp', 'the router says that it has no public address itself (network failure)');
  return refusedFailure('nat-pmp', `the router refuses (${result})`);
}

/** Whether it tells its external address, or why not. */
export async function answersNatPmp(gateway: Gateway, signal: AbortSignal): Promise<boolean> {
  const answer = await askAddress(gateway, IN_HURRY, signal);
  return typeof answer !== 'string' && answer.result !== 'unsupported-version';
}

export async function inquireByNatPmp(gateway: Gateway, mapping: Mapping, signal: AbortSignal): Promise<Inquiry> {
  const answer = await askAddress(gateway, AT_EASE, signal);
  if (typeof answer === 'string') return { kind: answer };
  const epoch = { seconds: answer.epochSeconds, at: gateway.clock.now() };
  const broke = mapping.epoch !== undefined && epochBroke(mapping.epoch, epoch);
  const moved = answer.kind !== 'address' || answer.externalAddress !== mapping.externalAddress;
  return broke || moved ? { kind: 'lost' } : { kind: 'kept', epoch };
}

/** True: the router says that it is gone. */
export async function releaseByNatPmp(gateway: Gateway, handle: MappingHandle, signal: AbortSignal): Promise<boolean> {
  const question = { internalPort: handle.internalPort, externalPort: 0, lifetimeSeconds: 0 };
  const answer = await askMap(gateway, question, signal);
  return typeof answer !== 'string' && answer.result === 'success';
}
