/** Puts a device together from the messages of WireGuard's answer, of which there may be many; pure. */
import {
  type Endpoint,
  type KernelDevice,
  type Peer,
  type PublicKey,
  parsePublicKey,
  SecretKey,
} from '@stunmesh/core/api';
import { formatAddress } from '@stunmesh/core/net';
import {
  bytesOf,
  eachAttribute,
  expectBytes,
  Malformed,
  readUint8,
  readUint16,
  readUint32,
  readUint64,
  type Span,
  spanOf,
  uint64At,
} from './attributes.js';
import { ALLOWED_IP, DEVICE, GENERIC_HEADER_BYTES, KEY_BYTES, PEER } from './layout.js';

const TIMESPEC_BYTES = 16;
/** The last second of which JavaScript has a date. */
const MOST_SECONDS = 8.64e12;

export interface DeviceReader {
  /** Takes a message's body in; keeps nothing of its bytes. Errors: Malformed. */
  add(body: Uint8Array): void;
  /** Errors: Malformed, where no message told of the device. */
  finish(): KernelDevice;
}

type OpenPeer = { -readonly [K in keyof Peer]: Peer[K] } & { allowedIps: string[] };

/** `decodeEndpoint` reads a sockaddr; undefined: it is none of IP. */
export function createDeviceReader(decodeEndpoint: (sockaddr: Uint8Array) => Endpoint | undefined): DeviceReader {
  const peers = new Map<PublicKey, OpenPeer>();
  const presharedKeys = new Map<PublicKey, SecretKey>();
  let last: OpenPeer | undefined;
  let secretKey: SecretKey | undefined;
  let publicKey: PublicKey | undefined;
  let listenPort: number | undefined;
  let firewallMark = 0;

  /** The peer that this part is of: a peer whose allowed IPs fill a message goes on in the next one, under its key alone. */
  const openPeer = (span: Span): OpenPeer => {
    let key: PublicKey | undefined;
    eachAttribute(span, 'peer', (type, value) => {
      if (type === PEER.publicKey) key = readPublicKey(value, "peer's public key");
    });
    if (key === undefined) throw new Malformed('a peer without its public key');
    const before = peers.get(key);
    if (before && before !== last) throw new Malformed('a peer that comes twice');
    last = before ?? { publicKey: key, allowedIps: [], rxBytes: 0, txBytes: 0, keepaliveSeconds: 0 };
    peers.set(key, last);
    return last;
  };

  const readPeer = (span: Span): void => {
    const peer = openPeer(span);
    eachAttribute(span, 'peer', (type, value) => {
      if (type === PEER.allowedIps)
        eachAttribute(value, 'allowed IPs', (_, one) => void peer.allowedIps.push(readAllowedIp(one)));
      else if (type === PEER.presharedKey) {
        const key = readSecret(value, 'preshared key');
        if (key) presharedKeys.set(peer.publicKey, key);
      } else if (type === PEER.endpoint) {
        const endpoint = decodeEndpoint(bytesOf(value));
        if (!endpoint) throw new Malformed("peer's endpoint");
        peer.endpoint = endpoint;
      } else if (type === PEER.keepalive) peer.keepaliveSeconds = readUint16(value, "peer's keepalive");
      else if (type === PEER.rxBytes) peer.rxBytes = readUint64(value, "peer's received bytes");
      else if (type === PEER.txBytes) peer.txBytes = readUint64(value, "peer's sent bytes");
      else if (type === PEER.latestHandshake) {
        const at = readTime(value);
        // F25: a handshake at 0 is none.
        if (at > 0) peer.latestHandshakeAt = at;
      }
    });
  };

  return {
    add(body) {
      eachAttribute(spanOf(body, GENERIC_HEADER_BYTES), 'device', (type, value) => {
        if (type === DEVICE.privateKey) secretKey = readSecret(value, 'private key');
        else if (type === DEVICE.publicKey) publicKey = readPublicKey(value, 'public key');
        else if (type === DEVICE.listenPort) listenPort = readUint16(value, 'listen port');
        else if (type === DEVICE.firewallMark) firewallMark = readUint32(value, 'firewall mark');
        else if (type === DEVICE.peers) eachAttribute(value, 'peers', (_, peer) => readPeer(peer));
      });
    },
    finish() {
      if (listenPort === undefined) throw new Malformed('no listen port');
      return {
        listenPort,
        firewallMark,
        ...(secretKey && publicKey && { keys: { secretKey, publicKey } }),
        peers,
        presharedKeys,
      };
    },
  };
}

function readPublicKey(span: Span, where: string): PublicKey {
  const bytes = bytesOf(expectBytes(span, KEY_BYTES, where));
  const key = parsePublicKey(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64'));
  if (!key) throw new Malformed(where);
  return key;
}

/** Nothing but zeros is none. */
function readSecret(span: Span, where: string): SecretKey | undefined {
  const bytes = bytesOf(expectBytes(span, KEY_BYTES, where));
  return bytes.every((byte) => byte === 0) ? undefined : new SecretKey(bytes);
}

function readTime(span: Span): number {
  expectBytes(span, TIMESPEC_BYTES, "peer's latest handshake");
  const [seconds, nanoseconds] = [uint64At(span, 0), uint64At(span, 8)];
  if (seconds > MOST_SECONDS || nanoseconds >= 1e9) throw new Malformed("peer's latest handshake");
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

/** Its family is told by the length of its address. */
function readAllowedIp(span: Span): string {
  let address: Uint8Array | undefined;
  let length: number | undefined;
  eachAttribute(span, 'allowed IP', (type, value) => {
    if (type === ALLOWED_IP.address) address = bytesOf(value);
    else if (type === ALLOWED_IP.length) length = readUint8(value, "allowed IP's length");
  });
  const bytes = address?.length === 4 || address?.length === 16 ? address : undefined;
  if (!bytes || length === undefined || length > bytes.length * 8) throw new Malformed('allowed IP');
  return `${formatAddress(bytes)}/${length}`;
}
