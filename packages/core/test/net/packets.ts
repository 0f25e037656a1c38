/** Packets as raw sockets and data links hand them over, made by hand for the filter's table. */

export const PORT = 51820;
export const SERVER_PORT = 3478;

/** A STUN message with the type, the magic cookie, a transaction id, and `rest`. */
export function stun(type: number, cookie = 0x2112a442, rest: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(20 + rest.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, type);
  view.setUint16(2, rest.length);
  view.setUint32(4, cookie);
  bytes.fill(7, 8, 20);
  bytes.set(rest, 20);
  return bytes;
}

/** The request of a check: 72 bytes, USERNAME with the tag first. */
export function checkRequest(tag: number): Uint8Array {
  const rest = new Array<number>(52).fill(9);
  rest.splice(0, 4, 0, 6, 0, 8);
  const bytes = stun(0x0001, 0x2112a442, rest);
  new DataView(bytes.buffer).setUint32(24, tag);
  return bytes;
}

/** A copy with this byte at an offset. */
export function altered(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = value;
  return copy;
}

/** A WireGuard message of a type (1 to 4) and its usual size, with this word after the type: sender or receiver index. */
export function wireguard(type: number, index: number): Uint8Array {
  const bytes = new Uint8Array([0, 148, 92, 64, 128][type] ?? 32).fill(0xa5);
  new DataView(bytes.buffer).setUint32(0, type, true);
  new DataView(bytes.buffer).setUint32(4, index);
  return bytes;
}

export function udp(payload: Uint8Array, port = PORT, from = SERVER_PORT): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, from);
  view.setUint16(2, port);
  view.setUint16(4, bytes.length);
  bytes.set(payload, 8);
  return bytes;
}

export interface Ip4Options {
  readonly protocol?: number;
  /** Bytes of IP options, a multiple of 4. */
  readonly options?: number;
  /** The 16 bits of flags and fragment offset. */
  readonly fragment?: number;
}

export function ip4(payload: Uint8Array, { protocol = 17, options = 0, fragment = 0 }: Ip4Options = {}): Uint8Array {
  const header = 20 + options;
  const bytes = new Uint8Array(header + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 0x40 | (header / 4);
  view.setUint16(2, bytes.length);
  view.setUint16(6, fragment);
  bytes[9] = protocol;
  bytes.set([192, 0, 2, 1, 198, 51, 100, 7], 12);
  bytes.fill(1, 20, header);
  bytes.set(payload, header);
  return bytes;
}

export function ip6(payload: Uint8Array, nextHeader = 17): Uint8Array {
  const bytes = new Uint8Array(40 + payload.length);
  bytes[0] = 0x60;
  new DataView(bytes.buffer).setUint16(4, payload.length);
  bytes[6] = nextHeader;
  bytes.set(payload, 40);
  return bytes;
}

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
