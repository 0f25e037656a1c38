/** BPF programs that let through the STUN messages of a match and nothing else, for each way a system hands packets over (F3). */
import { assembleBpf, type BpfInstruction, type BpfLine, bpf } from './bpf.js';
import type { PacketLayout, ProtocolField } from './packet-layout.js';
import {
  CHECK,
  MAGIC_COOKIE,
  MOST_REQUESTS_A_SECOND,
  MOST_TAGS,
  REQUEST_TYPE,
  RESPONSE_TYPES,
  type RequestMatch,
  type StunMatch,
} from './stun-match.js';

const UDP = 17;
const ETHERTYPE = { four: 0x0800, six: 0x86dd, tag: 0x8100 } as const;
const TAG_BYTES = 4;
const WHOLE_PACKET = 0xffff;
/** Without options, which no request has. */
const HEADER_BYTES = { four: 20, six: 40 } as const;
/** In the UDP header and behind it. */
const AT = { sourcePort: 0, localPort: 2, length: 4, payload: 8 } as const;
/** Tags that are compared one by one once halving has led to them. */
const LEAF_TAGS = 32;

/** A program that drops every packet: attached first, so that nothing of before the real filter is left once drained (F4). */
export const DROP_ALL: readonly BpfInstruction[] = assembleBpf([bpf.keep(0)]);

/** Keeps unfragmented UDP that matches. */
export function createStunFilter(layout: PacketLayout, match: StunMatch): readonly BpfInstruction[] {
  const base = layout.start === 'udp' ? 0 : layout.ipOffset;
  return assembleBpf([
    ...(layout.start === 'udp' ? [bpf.setIndex(0)] : findUdp(layout)),
    bpf.label('udp'),
    ...testUdp(base, match),
    ...('localPort' in match && match.requests && match.requests.tags.length > 0
      ? testRequest(base, match.requests, layout)
      : []),
  ]);
}

/** What the reader of such packets lets through of requests: their type at the places where the program accepts it. */
export function limitRequests(layout: PacketLayout): {
  readonly perSecond: number;
  readonly type: number;
  readonly offsets: Uint8Array;
} {
  const headers = layout.start === 'udp' ? [0] : plainHeaders(layout).map((bytes) => layout.ipOffset + bytes);
  return {
    perSecond: MOST_REQUESTS_A_SECOND,
    type: REQUEST_TYPE,
    offsets: Uint8Array.from(headers, (bytes) => bytes + AT.payload),
  };
}

/** Leaves the length of the headers between the layout's IP offset and UDP in X, and what is no unfragmented UDP at drop. */
function findUdp(layout: Extract<PacketLayout, { start: 'ip' }>): BpfLine[] {
  const { ipOffset, etherTypeOffset, protocol } = layout;
  if (protocol) return [...fieldSays(protocol, ''), ...ipAt(ipOffset, 0, '')];
  if (etherTypeOffset === undefined) return [...nibbleSays(ipOffset), ...ipAt(ipOffset, 0, '')];
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
    ...ipAt(ipOffset, 0, ''),
    bpf.goto('udp'),
    bpf.label('tagged'),
    ...fieldSays({ ...etherType, offset: etherTypeOffset + TAG_BYTES }, ' tagged'),
    ...ipAt(ipOffset, TAG_BYTES, ' tagged'),
  ];
}

/** `path` tells the labels of the tagged and the plain part apart. */
function ipAt(ipOffset: number, tagBytes: number, path: string): BpfLine[] {
  const ip = ipOffset + tagBytes;
  return [
    bpf.label(`v4${path}`),
    // More fragments, or an offset: a fragment cannot be checked as a whole.
    bpf.load('half', ip + 6),
    bpf.ifSet(0x3fff, { yes: 'drop' }),
    bpf.load('byte', ip + 9),
    bpf.ifEqual(UDP, { no: 'drop' }),
    bpf.loadHeaderLength(ip),
    ...(tagBytes === 0 ? [] : [bpf.copyIndex(), bpf.add(tagBytes), bpf.moveToIndex()]),
    bpf.goto('udp'),
    bpf.label(`v6${path}`),
    // A fragment header or any other extension header stands in the way of UDP: dropped.
    bpf.load('byte', ip + 6),
    bpf.ifEqual(UDP, { no: 'drop' }),
    bpf.setIndex(HEADER_BYTES.six + tagBytes),
  ];
}

/** Ports, cookie and type, and of a response the prefix; ends at keep, drop, or request. */
function testUdp(base: number, match: StunMatch): BpfLine[] {
  const payload = base + AT.payload;
  const [success, failure] = RESPONSE_TYPES;
  const requests = 'localPort' in match && match.requests !== undefined && match.requests.tags.length > 0;
  const { prefixes = [] } = match;
  return [
    ...testPort(base, match),
    bpf.label('port'),
    bpf.loadIndexed('word', payload + 4),
    bpf.ifEqual(MAGIC_COOKIE, { no: 'drop' }),
    bpf.loadIndexed('half', payload),
    ...(requests ? [bpf.ifEqual(REQUEST_TYPE, { yes: 'request' })] : []),
    bpf.ifEqual(success, { yes: 'response' }),
    bpf.ifEqual(failure, { no: 'drop' }),
    bpf.label('response'),
    ...(match.prefixes ? [bpf.loadIndexed('word', payload + 8)] : []),
    ...prefixes.map((prefix) => bpf.ifEqual(prefix, { yes: 'keep' })),
    ...(match.prefixes ? [bpf.goto('drop')] : []),
    bpf.label('keep'),
    bpf.keep(WHOLE_PACKET),
    bpf.label('drop'),
    bpf.keep(0),
  ];
}

function testPort(base: number, match: StunMatch): BpfLine[] {
  if ('sourcePort' in match)
    return [bpf.loadIndexed('half', base + AT.sourcePort), bpf.ifEqual(match.sourcePort, { no: 'drop' })];
  const load = bpf.loadIndexed('half', base + AT.localPort);
  const { localPort, ports } = match;
  if (!ports) return [load, bpf.ifEqual(localPort, { no: 'drop' })];
  return [
    load,
    bpf.ifEqual(localPort, { yes: 'port' }),
    bpf.ifAtLeast(ports.first, { no: 'drop' }),
    bpf.ifAtLeast(ports.last + 1, { yes: 'drop' }),
  ];
}

/** A check's request, and one of the tags. Its drop is near: a conditional jump reaches 255 instructions. */
function testRequest(base: number, { tags }: RequestMatch, layout: PacketLayout): BpfLine[] {
  const payload = base + AT.payload;
  const byLength = tags.length > MOST_TAGS;
  return [
    bpf.label('request'),
    // The reader's limit of requests looks for their type at these places alone.
    ...(layout.start === 'udp' ? [] : onlyPlainHeaders(layout)),
    bpf.loadIndexed('half', base + AT.length),
    bpf.ifEqual(AT.payload + CHECK.bytes, { no: 'no request' }),
    bpf.loadIndexed('half', payload + 2),
    bpf.ifEqual(CHECK.bodyBytes, { no: 'no request' }),
    bpf.loadIndexed('word', payload + CHECK.usernameAt),
    bpf.ifEqual(CHECK.username, { yes: 'tag' }),
    bpf.label('no request'),
    bpf.keep(0),
    bpf.label('tag'),
    bpf.loadIndexed('word', payload + CHECK.tagAt),
    ...(byLength ? [bpf.keep(WHOLE_PACKET)] : oneOf([...new Set(tags)].sort((a, b) => a - b))),
  ];
}

/** Lengths of the headers between the layout's IP offset and UDP, without IP options; the tag of a VLAN counts to them. */
function plainHeaders({ etherTypeOffset }: Extract<PacketLayout, { start: 'ip' }>): readonly number[] {
  const plain = [HEADER_BYTES.four, HEADER_BYTES.six];
  return etherTypeOffset === undefined ? plain : [...plain, ...plain.map((bytes) => bytes + TAG_BYTES)];
}

function onlyPlainHeaders(layout: Extract<PacketLayout, { start: 'ip' }>): BpfLine[] {
  const lengths = plainHeaders(layout);
  const last = lengths.length - 1;
  return [
    bpf.copyIndex(),
    ...lengths.map((bytes, i) => bpf.ifEqual(bytes, { yes: 'plain', ...(i === last && { no: 'no request' }) })),
    bpf.label('plain'),
  ];
}

/** Keeps the packet where A is one of these ascending words: by halving them, then one by one. */
function oneOf(words: readonly number[]): BpfLine[] {
  const name = `of ${words[0]}`;
  if (words.length <= LEAF_TAGS)
    return [
      ...words.map((word) => bpf.ifEqual(word, { yes: `one ${name}` })),
      bpf.keep(0),
      bpf.label(`one ${name}`),
      bpf.keep(WHOLE_PACKET),
    ];
  const middle = words.length >> 1;
  const [low, high] = [words.slice(0, middle), words.slice(middle)];
  const label = `${words.length} ${name}`;
  return [
    bpf.ifAtLeast(high[0] ?? 0, { no: `low ${label}` }),
    bpf.goto(`high ${label}`),
    bpf.label(`low ${label}`),
    ...oneOf(low),
    bpf.label(`high ${label}`),
    ...oneOf(high),
  ];
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
