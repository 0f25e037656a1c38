/** Questions for addresses and their answers, as DNS has them on the wire (RFC 1035 section 4, AAAA by RFC 3596); pure. */
import { domainToASCII } from 'node:url';
import type { Family } from '../api/index.js';
import { formatAddress } from '../net/index.js';

const TYPE: Readonly<Record<Family, number>> = { 4: 1, 6: 28 };
const LENGTH: Readonly<Record<Family, number>> = { 4: 4, 6: 16 };
const CLASS_IN = 1;
const HEADER_BYTES = 12;
/** An answer has room for thousands; nobody tries that many. */
const MOST_ADDRESSES = 32;
/** QR, opcode QUERY, RD: section 4.1.1. */
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const RECURSION_DESIRED = 0x0100;

export interface DnsAnswer {
  /** 0: no error, 3: no such name, and others (section 4.1.1). */
  readonly code: number;
  /** Canonical text, of the family that was asked for, in the order of the answer; names in between are followed by the server. */
  readonly addresses: readonly string[];
}

/** A question for the addresses of one family; undefined when `name` can be no host's. `id`: 0 to 65535. */
export function encodeQuestion(name: string, family: Family, id: number): Uint8Array | undefined {
  const labels = domainToASCII(name).replace(/\.$/, '').split('.');
  const bytes = labels.map((label) => Buffer.from(label, 'latin1'));
  const length = bytes.reduce((sum, label) => sum + label.length + 1, 1);
  if (length > 255 || bytes.some((label) => label.length < 1 || label.length > 63)) return undefined;
  const message = Buffer.alloc(HEADER_BYTES + length + 4);
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(RECURSION_DESIRED, 2);
  message.writeUInt16BE(1, 4);
  let at = HEADER_BYTES;
  for (const label of bytes) {
    message.writeUInt8(label.length, at);
    label.copy(message, at + 1);
    at += label.length + 1;
  }
  message.writeUInt16BE(TYPE[family], at + 1);
  message.writeUInt16BE(CLASS_IN, at + 3);
  return Uint8Array.from(message);
}

/** What `message` says to `question`; undefined when it is no answer to it. A cut one gives what is whole in it. */
export function parseAnswer(message: Uint8Array, question: Uint8Array, family: Family): DnsAnswer | undefined {
  const view = Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  if (view.length < question.length || view.readUInt16BE(0) !== Buffer.from(question).readUInt16BE(0)) return undefined;
  const flags = view.readUInt16BE(2);
  if ((flags & RESPONSE) === 0 || (flags & OPCODE) !== 0) return undefined;
  // Servers repeat the question, in whatever letter case.
  const asked = (bytes: Uint8Array) =>
    Buffer.from(bytes.subarray(HEADER_BYTES, question.length)).toString('latin1').toLowerCase();
  if (view.readUInt16BE(4) !== 1 || asked(view) !== asked(question)) return undefined;
  const addresses: string[] = [];
  let at: number | undefined = question.length;
  for (let left = view.readUInt16BE(6); left > 0; left -= 1) {
    at = afterName(view, at);
    if (at === undefined || at + 10 > view.length) break;
    const [type, kind, length] = [view.readUInt16BE(at), view.readUInt16BE(at + 2), view.readUInt16BE(at + 8)];
    const from = at + 10;
    at = from + length;
    if (at > view.length) break;
    if (addresses.length < MOST_ADDRESSES && type === TYPE[family] && kind === CLASS_IN && length === LENGTH[family])
      addresses.push(formatAddress(Uint8Array.from(view.subarray(from, at))));
  }
  return { code: flags & 0xf, addresses };
}

/** Behind a name that begins at `at`: labels up to an empty one, or up to a pointer (section 4.1.4). */
function afterName(view: Buffer, at: number): number | undefined {
  for (let next = at; next < view.length; ) {
    const length = view.readUInt8(next);
    if (length === 0) return next + 1;
    if (length >= 0xc0) return next + 2;
    next += length + 1;
  }
  return undefined;
}
