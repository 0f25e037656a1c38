/** What a cap child says to its parent: messages on a byte stream, each a length (u32, big-endian), a kind (u8) and a body; pure. */

export type CapMessage =
  /** Frames come from now on; the link type as cap calls it. */
  | { readonly kind: 'ready'; readonly linkType: string }
  | { readonly kind: 'frame'; readonly frame: Uint8Array }
  /** libpcap refused, in its own words. */
  | { readonly kind: 'failed'; readonly text: string }
  /** The package cap, or libpcap, is not there. */
  | { readonly kind: 'missing'; readonly text: string };

const KINDS = ['ready', 'frame', 'failed', 'missing'] as const;
const HEADER_BYTES = 5;
/** A frame is at most 64 KiB; what is longer is no message of a child of ours. */
const MAX_BODY_BYTES = 1 << 17;

export function encodeCapMessage(message: CapMessage): Uint8Array {
  const body = bodyOf(message);
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length);
  bytes[4] = KINDS.indexOf(message.kind);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

function bodyOf(message: CapMessage): Uint8Array {
  if (message.kind === 'frame') return message.frame;
  return Buffer.from(message.kind === 'ready' ? message.linkType : message.text);
}

/** Takes the stream in pieces of any size; says the messages that are whole by now. Errors: RangeError for what is no such stream. */
export function createCapReader(): (piece: Uint8Array) => readonly CapMessage[] {
  let rest: Uint8Array = new Uint8Array();
  return (piece) => {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const messages: CapMessage[] = [];
    while (rest.length >= HEADER_BYTES) {
      const length = new DataView(rest.buffer, rest.byteOffset, rest.byteLength).getUint32(0);
      const kind = KINDS[rest[4] ?? KINDS.length];
      if (length > MAX_BODY_BYTES || kind === undefined) throw new RangeError('not the messages of a cap child');
      if (rest.length < HEADER_BYTES + length) break;
      messages.push(toMessage(kind, Uint8Array.from(rest.subarray(HEADER_BYTES, HEADER_BYTES + length))));
      rest = rest.subarray(HEADER_BYTES + length);
    }
    return messages;
  };
}

function toMessage(kind: (typeof KINDS)[number], body: Uint8Array): CapMessage {
  if (kind === 'frame') return { kind, frame: body };
  const text = Buffer.from(body).toString();
  return kind === 'ready' ? { kind, linkType: text } : { kind, text };
}
