/** The table of packets that the filters are held against: in the interpreter, in the kernel, in libpcap. */
import { PACKET_LAYOUTS, type PacketLayoutName } from '#src/net/packet-layout.js';
import { createStunFilter } from '#src/net/stun-filter.js';
import type { StunMatch } from '#src/net/stun-match.js';
import { CARRIERS, type Carrier } from './link-layers.js';
import {
  altered,
  checkRequest,
  type Ip4Options,
  ip4,
  ip6,
  join,
  PORT,
  SERVER_PORT,
  stun,
  udp,
  wireguard,
} from './packets.js';

const COOKIE = 0x2112a442;

/** The transaction ids of the table's messages begin so. */
const PREFIX = 0x07070707;
const TAG = 0xdeadbeef;
/** Enough that halving is needed, and none of them TAG's neighbour by accident. */
const tagsUpTo = (count: number) => Array.from({ length: count }, (_, i) => (i * 2654435761) >>> 0);
const RANGE = { first: 20_000, last: 20_010 } as const;

/** The programs: responses to our port, from the server's port to any, with the socket's prefix or another one, and requests too: by
 * one tag and in a range of ports, by as many tags as fit, and by their length, which is what more tags than fit come to. */
export const MATCHES = {
  port: { localPort: PORT },
  source: { sourcePort: SERVER_PORT },
  prefix: { localPort: PORT, prefixes: [0x11111111, PREFIX] },
  foreign: { localPort: PORT, prefixes: [0x07070708] },
  requests: { localPort: PORT, prefixes: [PREFIX], requests: { tags: [TAG] }, ports: RANGE },
  tags: { localPort: PORT, prefixes: [PREFIX], requests: { tags: [...tagsUpTo(359), TAG] } },
  lengths: { localPort: PORT, prefixes: [PREFIX], requests: { tags: tagsUpTo(361) } },
} as const satisfies Record<string, StunMatch>;
export type MatchName = keyof typeof MATCHES;

export interface Row {
  readonly what: string;
  readonly frame: Uint8Array;
  /** The programs that keep it. */
  readonly keep: readonly MatchName[];
  /** The programs on whose text libpcap's verdict is another, and why. */
  readonly differs?: { readonly matches: readonly MatchName[]; readonly why: string };
}

const WITH_PREFIX = ['prefix', 'requests', 'tags', 'lengths'] as const;
/** Those that test our port. */
const TO_PORT = ['port', ...WITH_PREFIX] as const;
const ALL = [...TO_PORT, 'source'] as const;
const REQUESTS = ['requests', 'tags', 'lengths'] as const;
const request = checkRequest(TAG);

/** UDP payloads, and the programs that keep them; true: all that keep a response. */
export const PAYLOADS: readonly (readonly [what: string, payload: Uint8Array, keep: boolean | readonly MatchName[]])[] =
  [
    ['a binding success response', stun(0x0101, COOKIE, [0, 0x20, 0, 8, 0, 1, 1, 2, 3, 4, 5, 6]), true],
    ['a binding error response', stun(0x0111), true],
    ['a response of the bare header', stun(0x0101), true],
    ["a response with another socket's prefix", altered(stun(0x0101), 11, 8), ['port', 'source', 'foreign']],
    ['a response with an unknown prefix', altered(stun(0x0101), 8, 1), ['port', 'source']],
    ["a check's request", request, REQUESTS],
    ["a check's request with another tag", altered(request, 24, 1), ['lengths']],
    ["a check's request whose tag is one more", altered(request, 27, 0xf0), ['lengths']],
    ["a check's request without the cookie", altered(request, 4, 1), false],
    ["a check's request with another attribute first", altered(request, 21, 8), false],
    ["a check's request with a USERNAME of another length", altered(request, 23, 4), false],
    ["a check's request that says another length", altered(request, 3, 48), false],
    ["a check's request that is one byte longer", join(request, [0]), false],
    ["a check's request that is cut short", request.subarray(0, 71), false],
    ['a binding request', stun(0x0001), false],
    ['a binding indication', stun(0x0011), false],
    ['another method', stun(0x0103), false],
    ['a success response without the cookie (RFC 3489)', stun(0x0101, COOKIE + 1), false],
    ['top bits set (a TURN channel, RTP)', stun(0x4101), false],
    ['nothing', new Uint8Array(), false],
    ['seven bytes', stun(0x0101).subarray(0, 7), false],
    ['one zero byte (a punch)', new Uint8Array(1), false],
    ...[1, 2, 3, 4].flatMap((type): [string, Uint8Array, boolean][] => [
      [`WireGuard message ${type}`, wireguard(type, 0xdeadbeef), false],
      [`WireGuard message ${type} whose index equals the cookie`, wireguard(type, COOKIE), false],
    ]),
  ];

type Inner = readonly [what: string, packet: Uint8Array, keep: readonly MatchName[]];

const GOOD = udp(stun(0x0101));
const otherPorts = (wrap: (datagram: Uint8Array) => Uint8Array): readonly Inner[] => [
  ['another destination port', wrap(udp(stun(0x0101), PORT + 1)), ['source']],
  ['another source port', wrap(udp(stun(0x0101), PORT, SERVER_PORT + 1)), TO_PORT],
  ['the first port of the range', wrap(udp(stun(0x0101), RANGE.first, 9)), ['requests']],
  ['the last port of the range', wrap(udp(stun(0x0101), RANGE.last, 9)), ['requests']],
  ['the port before the range', wrap(udp(stun(0x0101), RANGE.first - 1, 9)), []],
  ['the port behind the range', wrap(udp(stun(0x0101), RANGE.last + 1, 9)), []],
  ["a check's request in the range", wrap(udp(request, RANGE.first, 9)), ['requests']],
  ["a check's request to another port", wrap(udp(request, PORT + 1, 9)), []],
  ['the ports the other way round', wrap(udp(stun(0x0101), SERVER_PORT, PORT)), []],
];

/** Options that read like a response where a header of 20 bytes is taken for granted. */
function disguised(): Uint8Array {
  const packet = ip4(udp(new Uint8Array(20), 9, 9), { options: 20 });
  packet.set(GOOD.subarray(0, 20), 20);
  return packet;
}

function rows4(): readonly Inner[] {
  const good = (options: Ip4Options): Uint8Array => ip4(GOOD, options);
  return [
    ...Array.from({ length: 11 }, (_, i): Inner => [`${4 * i} bytes of options`, good({ options: 4 * i }), ALL]),
    ["a check's request behind options", ip4(udp(request), { options: 8 }), []],
    ["don't fragment", good({ fragment: 0x4000 }), ALL],
    ['the first fragment', good({ fragment: 0x2000 }), []],
    ['a later fragment', good({ fragment: 0x2000 | 185 }), []],
    ['the last fragment', good({ fragment: 185 }), []],
    ...[1, 6, 50, 132, 136].map((protocol): Inner => [`IP protocol ${protocol}`, good({ protocol }), []]),
    ['options that look like UDP', disguised(), []],
    ...otherPorts((datagram) => ip4(datagram)),
  ];
}

function rows6(layout: PacketLayoutName): readonly Inner[] {
  const ports = otherPorts((datagram) => ip6(datagram));
  // There the kernel has taken the headers off already, and hands over UDP alone.
  if (layout === 'linux-raw6') return ports;
  const behind = (...header: readonly number[]) => join([17, ...header], GOOD);
  return [
    ['hop-by-hop options', ip6(behind(0, 1, 4, 0, 0, 0, 0), 0), []],
    ['a routing header', ip6(behind(0, 4, 0, 0, 0, 0, 0), 43), []],
    ['the first fragment', ip6(behind(0, 0, 1, 0, 0, 0, 1), 44), []],
    ['a later fragment', ip6(behind(0, 5, 0xc8, 0, 0, 0, 1), 44), []],
    ['destination options', ip6(behind(0, 1, 4, 0, 0, 0, 0), 60), []],
    ...[6, 50, 58, 132, 136].map((protocol): Inner => [`next header ${protocol}`, ip6(GOOD, protocol), []]),
    ...ports,
  ];
}

/** All frames of a layout, with the verdict that they must have. */
export function tableOf(layout: PacketLayoutName): readonly Row[] {
  return CARRIERS[layout].flatMap((carrier) => rowsOf(layout, carrier));
}

function rowsOf(layout: PacketLayoutName, { what: how, family, wrap, refused, libpcap }: Carrier): readonly Row[] {
  const ip = (datagram: Uint8Array) => (family === 4 ? ip4(datagram) : ip6(datagram));
  const payloads = PAYLOADS.map(([what, payload, keep]): Inner => [what, ip(udp(payload)), keepersOf(keep)]);
  const whole = ip(GOOD);
  const inner = [...payloads, ...(family === 4 ? rows4() : rows6(layout))];
  const row = (what: string, frame: Uint8Array, keep: readonly MatchName[]): Row => ({
    what: `IPv${family}, ${how}: ${what}`,
    frame,
    keep: refused ? [] : keep,
    ...(libpcap && { differs: { matches: keep, why: libpcap.why } }),
  });
  const frame = wrap(whole);
  // The last field that a program loads is the cookie, 12 bytes before the end of a bare header, or the prefix behind it.
  const pieces = Array.from({ length: frame.length }, (_, length) =>
    row(`the first ${length} bytes`, frame.subarray(0, length), [
      ...(length >= frame.length - 12 ? (['port', 'source'] as const) : []),
      ...(length >= frame.length - 8 ? WITH_PREFIX : []),
    ]),
  );
  return [...inner.map(([what, packet, keep]) => row(what, wrap(packet), keep)), ...pieces];
}

/** The programs that keep a payload. */
export const keepersOf = (keep: boolean | readonly MatchName[]): readonly MatchName[] =>
  typeof keep === 'boolean' ? (keep ? ALL : []) : keep;

export const programOf = (layout: PacketLayoutName, match: MatchName) =>
  createStunFilter(PACKET_LAYOUTS[layout], MATCHES[match]);

/** The rows of which a judge said something else than the table, in words. */
export function disagreements(table: readonly Row[], match: MatchName, verdicts: readonly boolean[]): string[] {
  return table.flatMap(({ what, keep }, i) =>
    verdicts[i] === keep.includes(match) ? [] : [`${what}: ${verdicts[i] ? 'kept' : 'dropped'}`],
  );
}
