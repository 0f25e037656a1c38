/** BPF programs that let through STUN responses to one UDP port and nothing else, for each way a system hands packets over (F3). */
import { assembleBpf, type BpfInstruction, type BpfLine, bpf } from './bpf.js';

/** RFC 8489 section 5. */
export const MAGIC_COOKIE = 0x2112a442;
/** Binding success and error responses. WireGuard's first bytes (01 00 to 04 00) have zero top bits too, and its receiver
 * index can equal the cookie: only the exact types tell them apart. */
export const RESPONSE_TYPES = [0x0101, 0x0111] as const;
const UDP = 17;
const ETHERTYPE = { four: 0x0800, six: 0x86dd, tag: 0x8100 } as const;
const TAG_BYTES = 4;
const WHOLE_PACKET = 0xffff;

/** A field that names the network protocol in front of an IP header; a value of neither list is dropped. */
export interface ProtocolField {
  readonly offset: number;
  readonly size: 'half' | 'word';
  readonly four: readonly number[];
  readonly six: readonly number[];
}

/** Where the parts of a packet lie. */
export type PacketLayout =
  /** The packet starts at the UDP header (Linux's raw IPv6 sockets; the kernel reassembles and takes the headers off). */
  | { readonly start: 'udp' }
  /** An IP header stands at `ipOffset`. What tells the family: an EtherType, behind which one 802.1Q tag may stand, or
   * another field of the link layer; its version nibble where the layout has neither. */
  | {
      readonly start: 'ip';
      readonly ipOffset: number;
      readonly etherTypeOffset?: number;
      readonly protocol?: ProtocolField;
    };

/** AF_INET, the same on all systems; AF_INET6 of NetBSD and OpenBSD, FreeBSD, macOS. */
const LOOP_FAMILIES = { four: [2], six: [24, 28, 30] } as const;
const swapped = (words: readonly number[]) => words.map((word) => word * 0x1000000);
/** The host's byte order: either, since a program that takes both is right on every machine. */
const NULL_FAMILIES = {
  four: [...LOOP_FAMILIES.four, ...swapped(LOOP_FAMILIES.four)],
  six: [...LOOP_FAMILIES.six, ...swapped(LOOP_FAMILIES.six)],
};

/** Linux's raw sockets, and the BSDs' data-link types by their names in bpf(4). */
export const PACKET_LAYOUTS = {
  'linux-raw4': { start: 'ip', ipOffset: 0 },
  'linux-raw6': { start: 'udp' },
  EN10MB: { start: 'ip', ipOffset: 14, etherTypeOffset: 12 },
  NULL: { start: 'ip', ipOffset: 4, protocol: { offset: 0, size: 'word', ...NULL_FAMILIES } },
  LOOP: { start: 'ip', ipOffset: 4, protocol: { offset: 0, size: 'word', ...LOOP_FAMILIES } },
  // Address and control byte, then the protocol (RFC 1662 section 3.1, RFC 1332, RFC 5072).
  PPP: { start: 'ip', ipOffset: 4, protocol: { offset: 2, size: 'half', four: [0x21], six: [0x57] } },
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

/** Responses to this port of ours; or, where a firewall of this host rewrites it, from this port of a server to any port. */
export type StunMatch = number | { readonly sourcePort: number };

/** Keeps unfragmented UDP that matches and whose payload begins like a STUN response. */
export function createStunFilter(layout: PacketLayout, match: StunMatch): readonly BpfInstruction[] {
  const body = layout.start === 'udp' ? udpAt(0, match) : behindLink(layout, match);
  return assembleBpf([...body, bpf.label('keep'), bpf.keep(WHOLE_PACKET), bpf.label('drop'), bpf.keep(0)]);
}

function behindLink(layout: Extract<PacketLayout, { start: 'ip' }>, match: StunMatch): BpfLine[] {
  const { ipOffset, etherTypeOffset, protocol } = layout;
  if (protocol) return [...fieldSays(protocol, ''), ...ipAt(ipOffset, match, '')];
  if (etherTypeOffset === undefined) return [...nibbleSays(ipOffset), ...ipAt(ipOffset, match, '')];
  const etherType: ProtocolField = {
    offset: etherTypeOffset,
    size: 'half',
    four: [ETHERTYPE.four],
    six: [ETHERTYPE.six],
  };
  return [
    bpf.load('half', etherTypeOffset),
    bpf.ifEqual(ETHERTYPE.tag, { yes: 'tagged' }),
    ...fieldSays(etherType, ''),
    ...ipAt(ipOffset, match, ''),
    bpf.label('tagged'),
    ...fieldSays({ ...etherType, offset: etherTypeOffset + TAG_BYTES }, ' tagged'),
    ...ipAt(ipOffset + TAG_BYTES, match, ' tagged'),
  ];
}

/** `path` tells the labels of the tagged and the plain part apart. */
function ipAt(ip: number, match: StunMatch, path: string): BpfLine[] {
  return [
    bpf.label(`v4${path}`),
    // More fragments, or an offset: a fragment cannot be checked as a whole.
    bpf.load('half', ip + 6),
    bpf.ifSet(0x3fff, { yes: 'drop' }),
    bpf.load('byte', ip + 9),
    bpf.ifEqual(UDP, { no: 'drop' }),
    bpf.loadHeaderLength(ip),
    bpf.loadIndexed('half', ip + portOffset(match)),
    bpf.ifEqual(portOf(match), { no: 'drop' }),
    bpf.loadIndexed('word', ip + 12),
    bpf.ifEqual(MAGIC_COOKIE, { no: 'drop' }),
    bpf.loadIndexed('half', ip + 8),
    ...isResponseType(),
    bpf.label(`v6${path}`),
    // A fragment header or any other extension header stands in the way of UDP: dropped.
    bpf.load('byte', ip + 6),
    bpf.ifEqual(UDP, { no: 'drop' }),
    ...udpAt(ip + 40, match),
  ];
}

function udpAt(offset: number, match: StunMatch): BpfLine[] {
  return [
    bpf.load('half', offset + portOffset(match)),
    bpf.ifEqual(portOf(match), { no: 'drop' }),
    bpf.load('word', offset + 12),
    bpf.ifEqual(MAGIC_COOKIE, { no: 'drop' }),
    bpf.load('half', offset + 8),
    ...isResponseType(),
  ];
}

const portOffset = (match: StunMatch) => (typeof match === 'number' ? 2 : 0);
const portOf = (match: StunMatch) => (typeof match === 'number' ? match : match.sourcePort);

function isResponseType(): BpfLine[] {
  const [success, failure] = RESPONSE_TYPES;
  return [bpf.ifEqual(success, { yes: 'keep' }), bpf.ifEqual(failure, { yes: 'keep', no: 'drop' })];
}

/** Goes on for IPv4, jumps to v6 for IPv6, drops the rest. */
function fieldSays({ offset, size, four, six }: ProtocolField, path: string): BpfLine[] {
  const last = four.length - 1;
  return [
    bpf.load(size, offset),
    ...six.map((value) => bpf.ifEqual(value, { yes: `v6${path}` })),
    ...four.map((value, i) => bpf.ifEqual(value, { yes: `v4${path}`, ...(i === last && { no: 'drop' }) })),
  ];
}

/** As fieldSays. A jump compares all of A, so the version is taken apart bit by bit: 0100 is 4, 0110 is 6. */
function nibbleSays(ip: number): BpfLine[] {
  return [
    bpf.load('byte', ip),
    bpf.ifSet(0x40, { no: 'drop' }),
    bpf.ifSet(0x90, { yes: 'drop' }),
    bpf.ifSet(0x20, { yes: 'v6', no: 'v4' }),
  ];
}
