/** Requests to WireGuard's family of generic netlink as bytes; pure. */
import { type PeerWrite, publicKeyBytes, StunmeshError } from '@stunmesh/core/api';
import { encodeAttributes, encodeNetlink, LITTLE } from '@stunmesh/core/capture-kit';
import { parsePrefix } from '@stunmesh/core/net';
import { ALLOWED_IP, COMMAND, CONTROLLER, DEVICE, FAMILY_NAME, FAMILY_VERSION, PEER, PEER_FLAG } from './layout.js';

const FLAG = { request: 0x1, ack: 0x4, dump: 0x300 } as const;
const NESTED = 0x8000;
const HEADER_BYTES = 20;
/** A nested attribute's length is a number of 16 bits, the device's name and the headers come before it. */
const MOST_PEER_BYTES = 0xff00;
/** What goes into one message unless one peer alone needs more. */
const MESSAGE_PEER_BYTES = 0x7000;
const PEER_BYTES = 132;
const ALLOWED_IP_BYTES = 40;

/** Asks for the number of WireGuard's family. */
export function familyRequest(): Uint8Array {
  const { family, version, getFamily, familyName } = CONTROLLER;
  return generic(family, FLAG.request, getFamily, version, encodeAttributes([[familyName, text(FAMILY_NAME)]]));
}

/** Asks for a device with its peers, in as many messages as that takes. */
export function deviceRequest(family: number, device: string): Uint8Array {
  const attributes = encodeAttributes([[DEVICE.name, text(device)]]);
  return generic(family, FLAG.request | FLAG.dump, COMMAND.getDevice, FAMILY_VERSION, attributes);
}

/** A system's numbers, and its addresses as structures. */
export interface Sockaddrs {
  readonly AF_INET: number;
  readonly AF_INET6: number;
  /** A sockaddr of an endpoint; throws where its zone is no interface of this host. */
  encode(endpoint: NonNullable<PeerWrite['endpoint']>): Uint8Array;
}

/** Messages that carry the writes out in their order, each acknowledged; the writes of one peer stay in one message. The caller makes
 * each zero when it is sent: preshared keys stand in them. Errors: ERR_WG_FAILED, what encode() throws. */
export function* writeRequests(
  family: number,
  device: string,
  writes: readonly PeerWrite[],
  sockaddrs: Sockaddrs,
): Generator<Uint8Array> {
  let part: PeerWrite[] = [];
  let bytes = 0;
  for (const group of byPeer(writes)) {
    const more = group.reduce((sum, write) => sum + mostBytes(write), 0);
    if (more > MOST_PEER_BYTES)
      throw new StunmeshError(
        'ERR_WG_FAILED',
        `WireGuard device "${device}": what is to be written of peer ${group[0]?.publicKey} is no longer one message to the kernel`,
        { retry: 'never', details: { device } },
      );
    if (part.length > 0 && bytes + more > MESSAGE_PEER_BYTES) {
      yield writeRequest(family, device, part, sockaddrs, bytes);
      part = [];
      bytes = 0;
    }
    part.push(...group);
    bytes += more;
  }
  if (part.length > 0) yield writeRequest(family, device, part, sockaddrs, bytes);
}

/** Writes of one peer that follow each other: removing and adding it is one step. */
function byPeer(writes: readonly PeerWrite[]): readonly (readonly PeerWrite[])[] {
  const groups: PeerWrite[][] = [];
  for (const write of writes) {
    const last = groups.at(-1);
    if (last?.[0]?.publicKey === write.publicKey) last.push(write);
    else groups.push([write]);
  }
  return groups;
}

const mostBytes = ({ allowedIps = [] }: PeerWrite): number => PEER_BYTES + allowedIps.length * ALLOWED_IP_BYTES;

function writeRequest(
  family: number,
  device: string,
  writes: readonly PeerWrite[],
  sockaddrs: Sockaddrs,
  most: number,
): Uint8Array {
  const name = encodeAttributes([[DEVICE.name, text(device)]]);
  const writer = createWriter(HEADER_BYTES + name.length + 4 + most);
  try {
    writer.skip(HEADER_BYTES);
    writer.bytes(name);
    writer.nest(DEVICE.peers, () => {
      for (const write of writes) writer.nest(0, () => writePeer(writer, write, sockaddrs));
    });
    return writer.finish(family, FLAG.request | FLAG.ack, COMMAND.setDevice);
  } catch (error) {
    writer.wipe();
    throw error;
  }
}

function writePeer(writer: Writer, write: PeerWrite, sockaddrs: Sockaddrs): void {
  const { publicKey, remove, updateOnly, presharedKey, endpoint, keepaliveSeconds, allowedIps } = write;
  writer.attribute(PEER.publicKey, publicKeyBytes(publicKey));
  const flags =
    (remove ? PEER_FLAG.remove : 0) |
    (updateOnly ? PEER_FLAG.updateOnly : 0) |
    (allowedIps && !remove ? PEER_FLAG.replaceAllowedIps : 0);
  if (flags !== 0) writer.attribute(PEER.flags, number(4, flags));
  if (remove) return;
  if (presharedKey) {
    const bytes = presharedKey.expose();
    writer.attribute(PEER.presharedKey, bytes);
    bytes.fill(0);
  }
  if (endpoint) writer.attribute(PEER.endpoint, sockaddrs.encode(endpoint));
  if (keepaliveSeconds !== undefined) writer.attribute(PEER.keepalive, number(2, keepaliveSeconds));
  if (!allowedIps) return;
  writer.nest(PEER.allowedIps, () => {
    for (const prefix of allowedIps) writer.nest(0, () => writeAllowedIp(writer, prefix, sockaddrs));
  });
}

function writeAllowedIp(writer: Writer, prefix: string, { AF_INET, AF_INET6 }: Sockaddrs): void {
  const parsed = parsePrefix(prefix);
  if (!parsed) throw new StunmeshError('ERR_WG_FAILED', `${JSON.stringify(prefix)} is no prefix`, { retry: 'never' });
  writer.attribute(ALLOWED_IP.family, number(2, parsed.bytes.length === 4 ? AF_INET : AF_INET6));
  writer.attribute(ALLOWED_IP.address, parsed.bytes);
  writer.attribute(ALLOWED_IP.length, Uint8Array.of(parsed.length));
}

/** Attributes into one buffer, so that no copy of a key is left behind. */
interface Writer {
  skip(count: number): void;
  bytes(value: Uint8Array): void;
  attribute(type: number, value: Uint8Array): void;
  nest(type: number, body: () => void): void;
  finish(family: number, flags: number, command: number): Uint8Array;
  wipe(): void;
}

function createWriter(most: number): Writer {
  const buffer = new Uint8Array(most);
  const view = new DataView(buffer.buffer);
  let at = 0;
  const head = (from: number, length: number, type: number) => {
    view.setUint16(from, length, LITTLE);
    view.setUint16(from + 2, type, LITTLE);
  };
  return {
    skip(count) {
      at += count;
    },
    bytes(value) {
      buffer.set(value, at);
      at += value.length;
    },
    attribute(type, value) {
      head(at, 4 + value.length, type);
      buffer.set(value, at + 4);
      at += (4 + value.length + 3) & ~3;
    },
    nest(type, body) {
      const from = at;
      at += 4;
      body();
      head(from, at - from, type | NESTED);
    },
    finish(family, flags, command) {
      const request = buffer.subarray(0, at);
      const front = generic(family, flags, command, FAMILY_VERSION, new Uint8Array());
      request.set(front);
      view.setUint32(0, at, LITTLE);
      return request;
    },
    wipe: () => void buffer.fill(0),
  };
}

function generic(type: number, flags: number, command: number, version: number, attributes: Uint8Array): Uint8Array {
  return encodeNetlink({
    type,
    flags,
    sequence: 0,
    body: Buffer.concat([[command, version, 0, 0], attributes].map(toBytes)),
  });
}

const toBytes = (bytes: ArrayLike<number>): Uint8Array => Uint8Array.from(bytes);
const text = (value: string): Uint8Array => Buffer.from(`${value}\0`);

function number(bytes: 2 | 4, value: number): Uint8Array {
  const result = new Uint8Array(bytes);
  const view = new DataView(result.buffer);
  if (bytes === 2) view.setUint16(0, value, LITTLE);
  else view.setUint32(0, value, LITTLE);
  return result;
}
