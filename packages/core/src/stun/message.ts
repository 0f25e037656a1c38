/** STUN messages as bytes and back (RFC 8489 sections 5 and 14); pure. What is no STUN message is undefined, never an error. */

/** Section 5: bytes 4 to 7 of every message. */
export const MAGIC_COOKIE = 0x2112a442;
/** Section 5. */
export const HEADER_BYTES = 20;
/** Section 5: 96 bits. */
export const TRANSACTION_ID_BYTES = 12;
/** Section 18.2 (IANA registry of methods). */
export const METHOD_BINDING = 0x001;
/** Section 14.7: the attribute that is checked here, because its value covers the bytes before it. */
export const FINGERPRINT = 0x8028;
/** Section 14.7: "STUN" in ASCII. */
const FINGERPRINT_XOR = 0x5354554e;

/** Section 5, table 1, in the order of the class bits C1 C0. */
const CLASSES = ['request', 'indication', 'success', 'error'] as const;
export type MessageClass = (typeof CLASSES)[number];

/** One attribute without its padding (section 14). */
export interface StunAttribute {
  readonly type: number;
  readonly value: Uint8Array;
}

export interface StunMessage {
  readonly class: MessageClass;
  /** 12 bits. */
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  /** In the order of the message, FINGERPRINT left out. */
  readonly attributes: readonly StunAttribute[];
  /** It carried a FINGERPRINT, and a right one; formatMessage adds one. */
  readonly fingerprint?: boolean;
}

/** What one UDP payload is: a message, or one with a fault, or (all members undefined) nothing of STUN. */
export interface Inspection {
  readonly message?: StunMessage;
  /** Where the header is one of STUN. */
  readonly transactionId?: Uint8Array;
  /** What is wrong with the rest, as part of a sentence. */
  readonly problem?: string;
}

/** The message in one UDP payload; undefined when the bytes are no STUN message, or one that is damaged. */
export function parseMessage(bytes: Uint8Array): StunMessage | undefined {
  return inspectMessage(bytes).message;
}

export function inspectMessage(bytes: Uint8Array): Inspection {
  if (bytes.length < HEADER_BYTES) return {};
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const type = view.getUint16(0);
  if (type >> 14 !== 0 || view.getUint32(4) !== MAGIC_COOKIE) return {};
  const transactionId = bytes.slice(8, HEADER_BYTES);
  const damaged = (problem: string): Inspection => ({ transactionId, problem });
  // Section 5: the length leaves out the header and is a multiple of 4; over UDP it fills the datagram.
  const length = view.getUint16(2);
  const rest = bytes.length - HEADER_BYTES;
  if (length % 4 !== 0) return damaged(`its length, ${length}, is no multiple of 4: attributes are not padded`);
  if (rest > length) return damaged(`${rest - length} bytes follow its end`);
  if (rest < length) return damaged(`it is cut: ${length - rest} bytes are missing`);

  const attributes: StunAttribute[] = [];
  let fingerprint = false;
  for (let at = HEADER_BYTES; at < bytes.length; ) {
    // FINGERPRINT is the last one; with more behind it the message is something else.
    if (fingerprint) return damaged('an attribute follows its FINGERPRINT');
    const attribute = view.getUint16(at);
    const length = view.getUint16(at + 2);
    const end = at + 4 + length;
    if (end > bytes.length) return damaged('an attribute reaches beyond its end');
    if (attribute === FINGERPRINT) {
      if (length !== 4 || view.getUint32(at + 4) !== fingerprintOf(bytes.subarray(0, at)))
        return damaged('its FINGERPRINT is wrong');
      fingerprint = true;
    } else attributes.push({ type: attribute, value: bytes.slice(at + 4, end) });
    at = padded(end);
  }
  const message: StunMessage = {
    class: CLASSES[((type >> 7) & 2) | ((type >> 4) & 1)] ?? 'request',
    method: (type & 0xf) | ((type >> 1) & 0x70) | ((type >> 2) & 0xf80),
    transactionId,
    attributes,
  };
  return { message: fingerprint ? { ...message, fingerprint } : message, transactionId };
}

/** The bytes of a message; padding is zero. */
export function formatMessage(message: StunMessage): Uint8Array {
  const sizes = message.attributes.map((a) => padded(4 + a.value.length));
  const size = sizes.reduce((sum, n) => sum + n, HEADER_BYTES + (message.fingerprint ? 8 : 0));
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, typeOf(message));
  view.setUint16(2, size - HEADER_BYTES);
  view.setUint32(4, MAGIC_COOKIE);
  bytes.set(message.transactionId, 8);
  let at = HEADER_BYTES;
  for (const { type, value } of message.attributes) {
    view.setUint16(at, type);
    view.setUint16(at + 2, value.length);
    bytes.set(value, at + 4);
    at = padded(at + 4 + value.length);
  }
  if (message.fingerprint) {
    view.setUint16(at, FINGERPRINT);
    view.setUint16(at + 2, 4);
    view.setUint32(at + 4, fingerprintOf(bytes.subarray(0, at)));
  }
  return bytes;
}

/** Section 5, figure 3: the class bits stand between the method bits. */
function typeOf({ class: name, method }: StunMessage): number {
  const bits = CLASSES.indexOf(name);
  return ((bits & 2) << 7) | ((bits & 1) << 4) | (method & 0xf) | ((method & 0x70) << 1) | ((method & 0xf80) << 2);
}

/** Section 14: attributes begin on 32-bit boundaries. */
function padded(length: number): number {
  return (length + 3) & ~3;
}

/** Section 14.7: CRC-32 over all that stands before FINGERPRINT; the header's length already counts it. */
function fingerprintOf(before: Uint8Array): number {
  return (crc32(before) ^ FINGERPRINT_XOR) >>> 0;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  return c >>> 0;
});

/** CRC-32 of ITU V.42, which section 14.7 names. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}
