/** What a binding server answers to one datagram (RFC 8489 section 6.3, RFC 5780 section 6); pure. */
import type { Endpoint } from '../api/index.js';
import { parseAddress, refusedAddress } from '../net/index.js';
import {
  ATTRIBUTE,
  addressAttribute,
  type ChangeRequest,
  errorCodeAttribute,
  findAttribute,
  readChangeRequest,
  softwareAttribute,
  unknownAttributesAttribute,
  unknownRequired,
  xorAddressAttribute,
} from '../stun/attributes.js';
import {
  formatMessage,
  HEADER_BYTES,
  MAGIC_COOKIE,
  METHOD_BINDING,
  type MessageClass,
  parseMessage,
  type StunAttribute,
  type StunMessage,
} from '../stun/message.js';

/** Attributes of requests that are understood: those of authentication mean nothing to a server without users (section 9). */
const UNDERSTOOD: readonly number[] = [
  ATTRIBUTE.USERNAME,
  ATTRIBUTE.MESSAGE_INTEGRITY,
  ATTRIBUTE.MESSAGE_INTEGRITY_SHA256,
  ATTRIBUTE.REALM,
  ATTRIBUTE.NONCE,
  ATTRIBUTE.PASSWORD_ALGORITHM,
  ATTRIBUTE.USERHASH,
];
const KNOWN: ReadonlySet<number> = new Set(UNDERSTOOD);
const KNOWN_WITH_CHANGE: ReadonlySet<number> = new Set([...UNDERSTOOD, ATTRIBUTE.CHANGE_REQUEST]);

export interface ReplyContext {
  /** Who asked. */
  readonly from: Endpoint;
  /** The address of the socket that will answer, for RESPONSE-ORIGIN, by what is to change; undefined where it is not known. */
  origin(change: ChangeRequest): Endpoint | undefined;
  /** The other address and port, where there are two; without it CHANGE-REQUEST is not understood. */
  readonly other?: Endpoint;
  readonly software?: string;
}

export interface Reply {
  readonly kind: 'success' | 'error';
  readonly bytes: Uint8Array;
  /** From which of the sockets to send it. */
  readonly change: ChangeRequest;
}

const NO_CHANGE: ChangeRequest = { changeIp: false, changePort: false };
/** Section 14: type and length before each value, which fills whole words. */
const ATTRIBUTE_HEADER_BYTES = 4;
const FINGERPRINT_BYTES = 8;

/** True for what begins as a binding request does; cheap enough to come before everything else. */
export function isBindingRequest(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_BYTES) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint16(0) === METHOD_BINDING && view.getUint32(4) === MAGIC_COOKIE;
}

/** An answer to a forged multicast or broadcast address would reach many. */
export function mayAnswer({ address }: Endpoint): boolean {
  const refused = refusedAddress(parseAddress(address) ?? new Uint8Array(4));
  return refused === undefined || refused === 'loopback';
}

/**
 * undefined: no answer, because the bytes are no binding request. Nothing multiplies what a forged request sends (F42): an answer holds what it is
 * for, and everything else only as far as it does not grow longer than the request.
 */
export function createReply(bytes: Uint8Array, context: ReplyContext): Reply | undefined {
  const request = parseMessage(bytes);
  if (request?.class !== 'request' || request.method !== METHOD_BINDING) return undefined;
  const software = context.software === undefined ? [] : [softwareAttribute(context.software)];
  const make = (
    kind: MessageClass,
    needed: readonly StunAttribute[],
    welcome: readonly StunAttribute[],
    change = NO_CHANGE,
  ): Reply => {
    const end = request.fingerprint ? FINGERPRINT_BYTES : 0;
    const room = bytes.length - HEADER_BYTES - end - sizeOf(needed);
    const attributes = [...needed, ...thatFit([...welcome, ...software], room)];
    return {
      kind: kind === 'error' ? 'error' : 'success',
      bytes: formatMessage(response(request, kind, attributes)),
      change,
    };
  };

  const unknown = unknownRequired(request, context.other ? KNOWN_WITH_CHANGE : KNOWN);
  if (unknown.length > 0) return make('error', [errorCode(420), unknownAttributesAttribute(unknown)], []);
  const change = readChangeRequest(request) ?? NO_CHANGE;
  if (change === NO_CHANGE && findAttribute(request, ATTRIBUTE.CHANGE_REQUEST))
    return make('error', [errorCode(400)], []);
  const origin = context.origin(change);
  return make(
    'success',
    [
      xorAddressAttribute(context.from, request.transactionId),
      // Without it a client cannot even begin to test its NAT's behaviour.
      ...(context.other ? [addressAttribute(ATTRIBUTE.OTHER_ADDRESS, context.other)] : []),
    ],
    [
      ...(origin ? [addressAttribute(ATTRIBUTE.RESPONSE_ORIGIN, origin)] : []),
      // RFC 5780 sections 4.6 and 6.1: a client sees by a differing MAPPED-ADDRESS that something rewrites addresses in payloads.
      ...(context.other ? [addressAttribute(ATTRIBUTE.MAPPED_ADDRESS, context.from)] : []),
    ],
    change,
  );
}

/** Without a reason in words: programs read the number. */
function errorCode(code: number): StunAttribute {
  return errorCodeAttribute({ code, reason: '' });
}

/** As many of these, first ones first, as have room in so many bytes. */
function thatFit(attributes: readonly StunAttribute[], room: number): readonly StunAttribute[] {
  let left = room;
  return attributes.filter((attribute) => {
    const size = sizeOf([attribute]);
    if (size > left) return false;
    left -= size;
    return true;
  });
}

function sizeOf(attributes: readonly StunAttribute[]): number {
  return attributes.reduce((sum, { value }) => sum + ATTRIBUTE_HEADER_BYTES + 4 * Math.ceil(value.length / 4), 0);
}

function response(request: StunMessage, kind: MessageClass, attributes: readonly StunAttribute[]): StunMessage {
  const { method, transactionId } = request;
  const message: StunMessage = { class: kind, method, transactionId, attributes };
  return request.fingerprint ? { ...message, fingerprint: true } : message;
}
