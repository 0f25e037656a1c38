/** Frames made by hand. */

export const PORT = 51820;

export function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** A STUN message of this type with its cookie, and a transaction id that is all `tag`. */
export function stun(type = 0x0101, tag = 7): Uint8Array {
  return join([type >> 8, type & 0xff, 0, 0, 0x21, 0x12, 0xa4, 0x42], new Array<number>(12).fill(tag));
}

export function udp(payload: Uint8Array, to = PORT, from = 3478): Uint8Array {
  const length = 8 + payload.length;
  return join([from >> 8, from & 0xff, to >> 8, to & 0xff, length >> 8, length & 0xff, 0, 0], payload);
}

/** From 198.51.100.7 to 192.0.2.1. */
export function ip4(payload: Uint8Array, { options = 0, fragment = 0, protocol = 17 } = {}): Uint8Array {
  const length = 20 + options + payload.length;
  const flags = [fragment >> 8, fragment & 0xff];
  const fixed = [0x45 + options / 4, 0, length >> 8, length & 0xff, 0, 0, ...flags, 64, protocol, 0, 0];
  return join(fixed, [198, 51, 100, 7, 192, 0, 2, 1], new Array<number>(options).fill(1), payload);
}

/** From 2001:db8::7 to 2001:db8::1. */
export function ip6(payload: Uint8Array, nextHeader = 17): Uint8Array {
  const address = (last: number) => [0x20, 1, 0x0d, 0xb8, ...new Array<number>(11).fill(0), last];
  const fixed = [0x60, 0, 0, 0, payload.length >> 8, payload.length & 0xff, nextHeader, 64];
  return join(fixed, address(7), address(1), payload);
}

const MACS = new Array<number>(12).fill(2);

/** An Ethernet frame of 60 bytes or more, as the wire has them. */
export function ethernet(packet: Uint8Array, tags: readonly number[] = []): Uint8Array {
  const type = (packet[0] ?? 0) >> 4 === 4 ? [8, 0] : [0x86, 0xdd];
  const frame = join(MACS, tags, type, packet);
  return join(frame, new Array<number>(Math.max(0, 60 - frame.length)).fill(0));
}
