/** How each layout wraps an IP packet, in all the ways that its link type has, for the filter's table. */
import { PACKET_LAYOUTS, type PacketLayoutName } from '#src/net/packet-layout.js';
import { join } from './packets.js';

type Wrap = (packet: Uint8Array) => Uint8Array;

/** One way to carry a packet of one family. */
export interface Carrier {
  readonly what: string;
  readonly family: 4 | 6;
  readonly wrap: Wrap;
  /** The filter takes none of it, whatever it carries. */
  readonly refused?: true;
  /** libpcap decides the other way about whatever is to be kept inside: why. */
  readonly libpcap?: { readonly why: string };
}

const ADDRESSES = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
const behind =
  (...header: readonly number[]): Wrap =>
  (packet) =>
    join(header, packet);
const ethernet = (...rest: readonly number[]) => behind(...ADDRESSES, ...rest);

const OTHER_ORDER = {
  why: 'libpcap takes the byte order of the host that reads the file, we take either: a bpf descriptor only ever gives the right one',
};

/** A family word in both byte orders; libpcap knows the host's, which is little-endian wherever this runs. */
function nullCarriers(): readonly Carrier[] {
  const words = [{ family: 4, word: 2 }, ...[24, 28, 30].map((word) => ({ family: 6, word }) as const)] as const;
  return [
    ...words.flatMap(({ family, word }): Carrier[] => [
      { what: `family ${word}, low byte first`, family, wrap: behind(word, 0, 0, 0) },
      { what: `family ${word}, high byte first`, family, wrap: behind(0, 0, 0, word), libpcap: OTHER_ORDER },
    ]),
    { what: 'family 7 (OSI)', family: 4, wrap: behind(7, 0, 0, 0), refused: true },
    { what: "family 10 (Linux's AF_INET6)", family: 6, wrap: behind(10, 0, 0, 0), refused: true },
  ];
}

const PROVIDER_TAG = {
  why: "libpcap's word vlan also means the tags of providers (802.1ad), which no host's IP stack takes",
};

export const CARRIERS: Record<PacketLayoutName, readonly Carrier[]> = {
  'linux-raw4': [{ what: 'as it is', family: 4, wrap: (p) => p }],
  'linux-raw6': [{ what: 'without its IPv6 header', family: 6, wrap: (p) => p.subarray(40) }],
  EN10MB: [
    { what: 'untagged', family: 4, wrap: ethernet(8, 0) },
    { what: 'untagged', family: 6, wrap: ethernet(0x86, 0xdd) },
    { what: '802.1Q tag', family: 4, wrap: ethernet(0x81, 0, 0, 5, 8, 0) },
    { what: '802.1Q tag', family: 6, wrap: ethernet(0x81, 0, 0, 5, 0x86, 0xdd) },
    { what: 'priority tag (VLAN 0)', family: 4, wrap: ethernet(0x81, 0, 0xa0, 0, 8, 0) },
    { what: 'two 802.1Q tags', family: 4, wrap: ethernet(0x81, 0, 0, 5, 0x81, 0, 0, 6, 8, 0), refused: true },
    {
      what: '802.1ad tag',
      family: 4,
      wrap: ethernet(0x88, 0xa8, 0, 5, 8, 0),
      refused: true,
      libpcap: PROVIDER_TAG,
    },
    { what: 'ARP', family: 4, wrap: ethernet(8, 6), refused: true },
    { what: 'a length (LLC) in place of the EtherType', family: 4, wrap: ethernet(0, 64), refused: true },
    { what: 'IPv4 behind the EtherType of IPv6', family: 4, wrap: ethernet(0x86, 0xdd), refused: true },
    { what: 'PPPoE session', family: 4, wrap: ethernet(0x88, 0x64, 0x11, 0, 0, 1, 0, 70, 0, 0x21), refused: true },
  ],
  NULL: nullCarriers(),
  LOOP: [
    { what: 'family 2', family: 4, wrap: behind(0, 0, 0, 2) },
    ...[24, 28, 30].map((word): Carrier => ({ what: `family ${word}`, family: 6, wrap: behind(0, 0, 0, word) })),
    { what: 'family 2, low byte first', family: 4, wrap: behind(2, 0, 0, 0), refused: true },
    { what: 'family 7 (OSI)', family: 4, wrap: behind(0, 0, 0, 7), refused: true },
  ],
  PPP: [
    { what: 'IP', family: 4, wrap: behind(0xff, 3, 0, 0x21) },
    { what: 'IPv6', family: 6, wrap: behind(0xff, 3, 0, 0x57) },
    { what: 'LCP', family: 4, wrap: behind(0xff, 3, 0xc0, 0x21), refused: true },
  ],
  RAW: [
    { what: 'as it is', family: 4, wrap: (p) => p },
    { what: 'as it is', family: 6, wrap: (p) => p },
    ...[0, 1, 2, 3, 5, 7, 8, 12, 14, 15].map((version): Carrier => {
      const wrap: Wrap = (p) => join([(version << 4) | 5], p.subarray(1));
      return { what: `IP version ${version}`, family: 4, wrap, refused: true };
    }),
  ],
};

export const LAYOUTS = Object.keys(PACKET_LAYOUTS) as PacketLayoutName[];
