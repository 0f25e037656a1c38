/** What a binding server answers to one datagram (RFC 8489 section 6.3, RFC 5780 section 6); pure. */
import type { Endpoint } from '../api/index.js';
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
  readonly bytes: Uint8Array;
  /** From which of the sockets to send it. */
  readonly change: ChangeRequest;
}

const NO_CHANGE: ChangeRequest = { changeIp: false, changePort: false };

/** undefined: no answer, because the bytes are no binding request. */
export function createReply(bytes: Uint8Array, context: ReplyContext): Reply | undefined {
  const request = parseMessage(bytes);
  if (request?.class !== 'request' || request.method !== METHOD_BINDING) return undefined;
  const software = context.software === undefined ? [] : [softwareAttribute(context.software)];
  const make = (kind: MessageClass, attributes: readonly StunAttribute[], change = NO_CHANGE): Reply => ({
    bytes: formatMessage(response(request, kind, [...attributes, ...software])),
    change,
  });

  const unknown = unknownRequired(request, context.other ? KNOWN_WITH_CHANGE : KNOWN);
  if (unknown.length > 0)
    return make('error', [
      errorCodeAttribute({ code: 420, reason: 'Unknown Attribute' }),
      unknownAttributesAttribute(unknown),
    ]);
  const change = readChangeRequest(request) ?? NO_CHANGE;
  if (change === NO_CHANGE && findAttribute(request, ATTRIBUTE.CHANGE_REQUEST))
    return make('error', [errorCodeAttribute({ code: 400, reason: 'Bad Request' })]);
  const origin = context.origin(change);
  return make(
    'success',
    [
      xorAddressAttribute(context.from, request.transactionId),
      ...(origin ? [addressAttribute(ATTRIBUTE.RESPONSE_ORIGIN, origin)] : []),
      // RFC 5780 sections 4.6 and 6.1: a client sees by a differing MAPPED-ADDRESS that something rewrites addresses in payloads.
      ...(context.other
        ? [
            addressAttribute(ATTRIBUTE.OTHER_ADDRESS, context.other),
            addressAttribute(ATTRIBUTE.MAPPED_ADDRESS, context.from),
          ]
        : []),
    ],
    change,
  );
}

function response(request: StunMessage, kind: MessageClass, attributes: readonly StunAttribute[]): StunMessage {
  const { method, transactionId } = request;
  const message: StunMessage = { class: kind, method, transactionId, attributes };
  return request.fingerprint ? { ...message, fingerprint: true } : message;
}
