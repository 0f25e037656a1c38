/** BPF programs that let through STUN responses to one UDP port and nothing else, for each way a system hands packets over (F3). */
import { assembleBpf, type BpfInstruction, type BpfLine, bpf } from './bpf.js';

/** RFC 8489 section 5. */
const MAGIC_COOKIE = 0x2112a442;
/** Binding success and error responses. WireGuard's first bytes (01 00 to 04 00) have zero top bits too, and its receiver
 * index can equal the cookie: only the exact types tell them apart. */
const RESPONSE_TYPES = [0x0101, 0x0111] as const;
const UDP = 17;
const WHOLE_PACKET = 0xffff;

/** Where the parts of a packet lie. */
export type PacketLayout =
  /** The packet starts at the UDP header (Linux's raw IPv6 sockets; the kernel reassembles and takes the headers off). */
  | { readonly start: 'udp' }
  /** An IP header stands at `ipOffset`; `etherTypeOffset` where the link layer names the protocol, else its version nibble tells. */
  | { readonly start: 'ip'; readonly ipOffset: number; readonly etherTypeOffset?: number };

/** Linux's raw sockets, and the BSDs' data-link types by their names in bpf(4). */
export const PACKET_LAYOUTS = {
  'linux-raw4': { start: 'ip', ipOffset: 0 },
  'linux-raw6': { start: 'udp' },
  EN10MB: { start: 'ip', ipOffset: 14, etherTypeOffset: 12 },
  NULL: { start: 'ip', ipOffset: 4 },
  LOOP: { start: 'ip', ipOffset: 4 },
  PPP: { start: 'ip', ipOffset: 4 },
  RAW: { start: 'ip', ipOffset: 0 },
} as const satisfies Record<string, PacketLayout>;

export type PacketLayoutName = keyof typeof PACKET_LAYOUTS;

/** A program that drops every packet: attached first, so that nothing of before the real filter is left once drained (F4). */
export const DROP_ALL: readonly BpfInstruction[] = assembleBpf([bpf.keep(0)]);

/** What the filters test, for user code: a binding response's type, and the magic cookie as its second word. */
export function isStunResponse(payload: Uint8Array): boolean {
  if (payload.length < 8) return false;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const type = view.getUint16(0);
  return RESPONSE_TYPES.some((t) => t === type) && view.getUint32(4) === MAGIC_COOKIE;
}

/** Keeps unfragmented UDP to `port` whose payload begins like a STUN response. */
export function createStunFilter(layout: PacketLayout, port: number): readonly BpfInstruction[] {
  const body = layout.start === 'udp' ? udpAt(0, port) : ipAt(layout, port);
  return assembleBpf([...body, bpf.label('keep'), bpf.keep(WHOLE_PACKET), bpf.label('drop'), bpf.keep(0)]);
}

function udpAt(offset: number, port: number): BpfLine[] {
  return [
    bpf.load('half', offset + 2),
    bpf.ifEqual(port, { no: 'drop' }),
    bpf.load('word', offset + 12),
    bpf.ifEqual(MAGIC_COOKIE, { no: 'drop' }),
    bpf.load('half', offset + 8),
    ...isResponseType(),
  ];
}

function isResponseType(): BpfLine[] {
  const [success, failure] = RESPONSE_TYPES;
  return [bpf.ifEqual(success, { yes: 'keep' }), bpf.ifEqual(failure, { yes: 'keep', no: 'drop' })];
}

function ipAt(layout: Extract<PacketLayout, { start: 'ip' }>, port: number): BpfLine[] {
  const { ipOffset: ip } = layout;
  return [
    ...whichFamily(layout),
    bpf.label('v4'),
    bpf.load('half', ip + 6),
    bpf.ifSet(0x3fff, { yes: 'drop' }),
    bpf.load('byte', ip + 9),
    bpf.ifEqual(UDP, { no: 'drop' }),
    bpf.loadHeaderLength(ip),
    bpf.loadIndexed('half', ip + 2),
    bpf.ifEqual(port, { no: 'drop' }),
    bpf.loadIndexed('word', ip + 12),
    bpf.ifEqual(MAGIC_COOKIE, { no: 'drop' }),
    bpf.loadIndexed('half', ip + 8),
    ...isResponseType(),
    bpf.label('v6'),
    // A fragment header or any other extension header stands in the way of UDP: dropped.
    bpf.load('byte', ip + 6),
    bpf.ifEqual(UDP, { no: 'drop' }),
    ...udpAt(ip + 40, port),
  ];
}

/** Goes on for IPv4, jumps to v6 for IPv6, drops the rest. */
function whichFamily(layout: Extract<PacketLayout, { start: 'ip' }>): BpfLine[] {
  const { ipOffset: ip, etherTypeOffset } = layout;
  if (etherTypeOffset !== undefined)
    return [
      bpf.load('half', etherTypeOffset),
      bpf.ifEqual(0x86dd, { yes: 'v6' }),
      bpf.ifEqual(0x0800, { yes: 'v4', no: 'drop' }),
    ];
  // A jump compares all of A, so the version is taken apart bit by bit: 0100 is 4, 0110 is 6.
  return [
    bpf.load('byte', ip),
    bpf.ifSet(0x40, { no: 'drop' }),
    bpf.ifSet(0x90, { yes: 'drop' }),
    bpf.ifSet(0x20, { yes: 'v6', no: 'v4' }),
  ];
}
