/** Asks a router by PCP (RFC 6887): for a mapping of IPv4, or for a pinhole in an IPv6 firewall. */
import { parseAddress } from '../net/index.js';
import { epochBroke } from './codec/epoch.js';
import { externalAddressKind } from './codec/external-address.js';
import { refusedExternalPort } from './codec/external-port.js';
import { formatPcpAnnounce, formatPcpMap, type PcpAnswer, parsePcpAnswer } from './codec/pcp.js';
import { AT_EASE, exchange, IN_HURRY } from './exchange.js';
import type { Gateway } from './gateway.js';
import {
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
} from './mapping.js';

/** Section 19.1. */
const PORT = 5351;
/** Section 11.1: 96 bits. */
const NONCE_BYTES = 12;
/** A second wish, where the first one was answered by a port that is of no use. */
const ATTEMPTS = 2;

type MapAnswer = Extract<PcpAnswer, { readonly kind: 'map' | 'other-version' }>;

interface MapQuestion extends Pick<MappingHandle, 'internalPort' | 'externalPort'> {
  readonly nonce: Uint8Array;
  readonly lifetimeSeconds: number;
}

async function askMap(
  gateway: Gateway,
  question: MapQuestion,
  pace: typeof IN_HURRY | typeof AT_EASE,
  signal: AbortSignal,
): Promise<MapAnswer | Missing> {
  return await exchange<MapAnswer>(gateway, {
    port: PORT,
    messages: [formatPcpMap({ client: clientOf(gateway), ...question })],
    ...pace,
    signal,
    read(message) {
      const answer = parsePcpAnswer(message);
      if (answer?.kind === 'other-version') return answer;
      const ours =
        answer?.kind === 'map' &&
        Buffer.compare(answer.nonce, question.nonce) === 0 &&
        answer.internalPort === question.internalPort;
      if (!ours) gateway.note('a datagram on the PCP port that answers no question of ours');
      return ours ? answer : undefined;
    },
  });
}

export async function mapByPcp(gateway: Gateway, request: MappingRequest, signal: AbortSignal): Promise<MapOutcome> {
  const { family, internalPort } = request;
  const nonce = request.nonce ?? gateway.random(NONCE_BYTES);
  let outcome: MapOutcome = missingFailure('pcp', 'silent');
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    // A pinhole translates nothing: both ports are the same one.
    const externalPort = family === 6 ? internalPort : request.externalPort(attempt);
    const question = { internalPort, externalPort, nonce, lifetimeSeconds: LEASE_SECONDS };
    const answer = await askMap(gateway, question, IN_HURRY, signal);
    if (typeof answer === 'string') return missingFailure('pcp', answer);
    if (answer.kind === 'other-version') return missingFailure('pcp', 'absent');
    if (answer.result !== 'success') return refusal(answer, request);
    const mapping: Mapping = {
      protocol: 'pcp',
      gateway: gateway.address,
      family,
      internalPort,
      externalPort: answer.externalPort,
      externalAddress: answer.externalAddress,
      leaseSeconds: Math.min(answer.lifetimeSeconds, LEASE_SECONDS),
      nonce,
      epoch: { seconds: answer.epochSeconds, at: gateway.clock.now() },
    };
    if (mapping.leaseSeconds === 0) return refusedFailure('pcp', 'the router granted a mapping of no time at all');
    const badPort = family === 6 ? undefined : refusedExternalPort(mapping.externalPort, request.taken);
    const badAddress = judgeExternalAddress('pcp', mapping.externalAddress, request);
    if (badPort === undefined && badAddress === undefined) return mapping;
    await releaseByPcp(gateway, mapping, signal);
    if (badAddress) return badAddress;
    outcome = refusedFailure('pcp', `the router gave a port that is of no use: ${badPort}`);
  }
  return outcome;
}

/** A router whose own address is a private one says that it has no resources, and shows the address; an empty one shows nothing. */
function refusal(
  { result, externalAddress }: Extract<PcpAnswer, { readonly kind: 'map' }>,
  request: MappingRequest,
): MapOutcome {
  const shown = result !== 'not-authorized' && externalAddressKind(externalAddress) !== 'unusable';
  const hidden = shown ? judgeExternalAddress('pcp', externalAddress, request) : undefined;
  return hidden ?? refusedFailure('pcp', `the router refuses (${result})`);
}

export async function inquireByPcp(
  gateway: Gateway,
  mapping: Pick<Mapping, 'epoch'>,
  signal: AbortSignal,
  pace: typeof IN_HURRY | typeof AT_EASE = AT_EASE,
): Promise<Inquiry> {
  type Announced = Extract<PcpAnswer, { readonly kind: 'announce' }>;
  const answer = await exchange<Announced>(gateway, {
    port: PORT,
    messages: [formatPcpAnnounce(clientOf(gateway))],
    ...pace,
    signal,
    read(message) {
      const parsed = parsePcpAnswer(message);
      return parsed?.kind === 'announce' ? parsed : undefined;
    },
  });
  if (typeof answer === 'string') return { kind: answer };
  const epoch = { seconds: answer.epochSeconds, at: gateway.clock.now() };
  return mapping.epoch && epochBroke(mapping.epoch, epoch) ? { kind: 'lost' } : { kind: 'kept', epoch };
}

/** True: the router says that it is gone. */
export async function releaseByPcp(gateway: Gateway, handle: MappingHandle, signal: AbortSignal): Promise<boolean> {
  const { internalPort, nonce } = handle;
  if (!nonce) return false;
  const question = { internalPort, externalPort: 0, nonce, lifetimeSeconds: 0 };
  const answer = await askMap(gateway, question, IN_HURRY, signal);
  return typeof answer !== 'string' && answer.kind === 'map' && answer.result === 'success';
}

function clientOf({ source }: Gateway): Uint8Array {
  return parseAddress(source) ?? new Uint8Array(4);
}
