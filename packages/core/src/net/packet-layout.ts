/** Where the parts of a packet lie, for each way a system hands packets over: Linux's raw sockets and the BSDs' data-link types. */

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
