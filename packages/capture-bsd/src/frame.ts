/** Captured frames, as each data-link type has them, to the UDP datagram inside; pure. */
import { endianness } from 'node:os';
import type { Endpoint, Family } from '@stunmesh/core/api';
import { formatAddress, parseIpv4, parseUdp, type UdpDatagram } from '@stunmesh/core/net';

/** By their names in bpf(4) and in libpcap's list of link types. */
export type LinkType = 'NULL' | 'LOOP' | 'EN10MB' | 'RAW' | 'PPP' | 'LINUX_SLL' | 'LINUX_SLL2';

/** DLT_* of FreeBSD and macOS, and LINKTYPE_* of libpcap where it differs. */
const LINK_TYPES: ReadonlyMap<number, LinkType> = new Map([
  [0, 'NULL'],
  [1, 'EN10MB'],
  [9, 'PPP'],
  [12, 'RAW'],
  [101, 'RAW'],
  [108, 'LOOP'],
  [113, 'LINUX_SLL'],
  [276, 'LINUX_SLL2'],
]);

/** The link type of a DLT number; undefined: not known here. */
export function linkTypeOf(dlt: number): LinkType | undefined {
  return LINK_TYPES.get(dlt);
}

export interface ArrivedDatagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly payload: Uint8Array;
}

const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;
/** 802.1Q and 802.1ad: a tag of four bytes stands before the real type. */
const VLAN_TAGS: ReadonlySet<number> = new Set([0x8100, 0x88a8]);
/** RFC 1332, RFC 5072. */
const PPP_PROTOCOL = { ipv4: 0x0021, ipv6: 0x0057 } as const;
/** AF_INET everywhere; AF_INET6 of OpenBSD and NetBSD, FreeBSD, macOS, and Linux. */
const NULL_FAMILY: ReadonlyMap<number, Family> = new Map([
  [2, 4],
  [24, 6],
  [28, 6],
  [30, 6],
  [10, 6],
]);
const IPV6_HEADER_BYTES = 40;
const UDP = 17;

/** The UDP datagram in a frame; undefined for everything else: other protocols, fragments, what is cut off. */
export function parseFrame(
  linkType: LinkType,
  frame: Uint8Array,
  byteOrder: 'LE' | 'BE' = endianness(),
): ArrivedDatagram | undefined {
  const packet = parseLinkLayer(linkType, frame, byteOrder);
  return packet && (packet.family === 4 ? readIpv4(packet.bytes) : readIpv6(packet.bytes));
}

interface IpPacket {
  readonly family: Family;
  readonly bytes: Uint8Array;
}

function parseLinkLayer(linkType: LinkType, frame: Uint8Array, byteOrder: 'LE' | 'BE'): IpPacket | undefined {
  switch (linkType) {
    case 'EN10MB':
      return byEtherType(frame, 12, 14);
    case 'LINUX_SLL':
      return byEtherType(frame, 14, 16);
    case 'LINUX_SLL2':
      return byEtherType(frame, 0, 20);
    case 'NULL':
      return byFamilyWord(frame, byteOrder === 'LE');
    case 'LOOP':
      return byFamilyWord(frame, false);
    case 'PPP':
      return byPppProtocol(frame);
    case 'RAW': {
      const version = (frame[0] ?? 0) >> 4;
      return version === 4 || version === 6 ? { family: version, bytes: frame } : undefined;
    }
  }
}

function byEtherType(frame: Uint8Array, typeAt: number, ipAt: number): IpPacket | undefined {
  let [type, offset] = [half(frame, typeAt), ipAt];
  while (VLAN_TAGS.has(type)) {
    type = half(frame, offset + 2);
    offset += 4;
  }
  if (type === ETHERTYPE.ipv4) return { family: 4, bytes: frame.subarray(offset) };
  return type === ETHERTYPE.ipv6 ? { family: 6, bytes: frame.subarray(offset) } : undefined;
}

function byFamilyWord(frame: Uint8Array, little: boolean): IpPacket | undefined {
  if (frame.length < 4) return undefined;
  const family = NULL_FAMILY.get(viewOf(frame).getUint32(0, little));
  return family && { family, bytes: frame.subarray(4) };
}

/** With address and control (ff 03) or without, as the ends have negotiated. */
function byPppProtocol(frame: Uint8Array): IpPacket | undefined {
  const at = half(frame, 0) === 0xff03 ? 2 : 0;
  const protocol = half(frame, at);
  if (protocol === PPP_PROTOCOL.ipv4) return { family: 4, bytes: frame.subarray(at + 2) };
  return protocol === PPP_PROTOCOL.ipv6 ? { family: 6, bytes: frame.subarray(at + 2) } : undefined;
}

function readIpv4(packet: Uint8Array): ArrivedDatagram | undefined {
  const ip = parseIpv4(packet);
  const udp = ip?.protocol === UDP ? parseUdp(ip.payload) : undefined;
  return ip && udp && arrived(4, ip.source, ip.destination, udp);
}

/** RFC 8200 section 3; an extension header, the fragment's too, stands in the way of UDP. */
function readIpv6(packet: Uint8Array): ArrivedDatagram | undefined {
  if (packet.length < IPV6_HEADER_BYTES || (packet[0] ?? 0) >> 4 !== 6 || packet[6] !== UDP) return undefined;
  const end = IPV6_HEADER_BYTES + half(packet, 4);
  if (end > packet.length) return undefined;
  const udp = parseUdp(packet.subarray(IPV6_HEADER_BYTES, end));
  return udp && arrived(6, formatAddress(packet.subarray(8, 24)), formatAddress(packet.subarray(24, 40)), udp);
}

function arrived(family: Family, source: string, destination: string, udp: UdpDatagram): ArrivedDatagram {
  return {
    from: { family, address: source, port: udp.sourcePort },
    to: { family, address: destination, port: udp.destinationPort },
    payload: udp.payload,
  };
}

/** 0 where the frame ends before. */
function half(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
