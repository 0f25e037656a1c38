/** Attributes of netlink read strictly: what is cut off, or of another length than it should be, is an error and nothing is left out. */
import { LITTLE } from '@stunmesh/core/capture-kit';

/** Bytes that are not what the kernel's headers say; `where` names the attribute, never its value. */
export class Malformed extends Error {
  readonly where: string;

  constructor(where: string) {
    super(`malformed: ${where}`);
    this.where = where;
  }
}

/** A part of a message, and how it is read. */
export interface Span {
  readonly view: DataView;
  readonly from: number;
  readonly to: number;
}

export const spanOf = (bytes: Uint8Array, from = 0): Span => ({
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
  from,
  to: bytes.length,
});

/** Calls `visit` with the type and value of each attribute. Errors: Malformed. */
export function eachAttribute(
  { view, from, to }: Span,
  where: string,
  visit: (type: number, value: Span) => void,
): void {
  for (let at = from; at < to; ) {
    if (at + 4 > to) throw new Malformed(where);
    const length = view.getUint16(at, LITTLE);
    if (length < 4 || at + length > to) throw new Malformed(where);
    // The two highest bits are flags.
    visit(view.getUint16(at + 2, LITTLE) & 0x3fff, { view, from: at + 4, to: at + length });
    at += (length + 3) & ~3;
  }
}

/** Its bytes, not copied. */
export function bytesOf({ view, from, to }: Span): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + from, to - from);
}

export function expectBytes(span: Span, count: number, where: string): Span {
  if (span.to - span.from !== count) throw new Malformed(where);
  return span;
}

export const readUint8 = (span: Span, where: string): number => expectBytes(span, 1, where).view.getUint8(span.from);

export const readUint16 = (span: Span, where: string): number =>
  expectBytes(span, 2, where).view.getUint16(span.from, LITTLE);

export const readUint32 = (span: Span, where: string): number =>
  expectBytes(span, 4, where).view.getUint32(span.from, LITTLE);

/** A 64-bit number, exact as far as a number is. */
export const readUint64 = (span: Span, where: string): number => uint64At(expectBytes(span, 8, where), 0);

export function uint64At({ view, from }: Span, offset: number): number {
  const [first, second] = [view.getUint32(from + offset, LITTLE), view.getUint32(from + offset + 4, LITTLE)];
  return LITTLE ? second * 2 ** 32 + first : first * 2 ** 32 + second;
}
