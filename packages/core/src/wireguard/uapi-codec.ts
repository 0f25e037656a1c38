/** The cross-platform userspace protocol (wireguard.com/xplatform): lines of key=value, keys in hex, ended by errno and a blank line; pure. */
import { type Peer, type PeerWrite, type PublicKey, parsePublicKey, SecretKey, StunmeshError } from '../api/index.js';
import { formatEndpoint } from '../net/endpoint.js';
import { permissionMissing, privateKeyWithheld, protocolError } from './errors.js';
import { publicKeyOf } from './public-key.js';
import { canonicalPrefix, type DeviceNames, type DeviceReading, parseDecimal, parseShownEndpoint } from './reading.js';

const SOURCE = 'the userspace socket';
const NO_KEY = '0'.repeat(64);

/** errno.h of Linux and the BSDs agree on these two. */
const EPERM = 1;
const EACCES = 13;

export const GET_REQUEST = 'get=1\n\n';

/** A whole answer ends so; it is looked for in the last characters received. */
export const ANSWER_END = /(?:^|\n)errno=-?\d{1,10}\n\n$/;

/** Text of a set request. */
export function formatSetRequest(writes: readonly PeerWrite[]): string {
  return ['set=1', ...writes.flatMap(formatPeer), '', ''].join('\n');
}

function formatPeer(write: PeerWrite): readonly string[] {
  const lines = [`public_key=${Buffer.from(write.publicKey, 'base64').toString('hex')}`];
  if (write.remove) return [...lines, 'remove=true'];
  if (write.updateOnly) lines.push('update_only=true');
  if (write.presharedKey) lines.push(`preshared_key=${Buffer.from(write.presharedKey.expose()).toString('hex')}`);
  if (write.endpoint) lines.push(`endpoint=${formatEndpoint(write.endpoint)}`);
  if (write.keepaliveSeconds !== undefined) lines.push(`persistent_keepalive_interval=${write.keepaliveSeconds}`);
  if (write.allowedIps)
    lines.push('replace_allowed_ips=true', ...write.allowedIps.map((prefix) => `allowed_ip=${prefix}`));
  return lines;
}

/** Resolves the answer's errno into nothing or a failure. Errors: ERR_WG_PROTOCOL, ERR_WG_PERMISSION, ERR_WG_FAILED. */
export function checkAnswer(text: string, device: string): void {
  const errno = /(?:^|\n)errno=(-?\d{1,10})\n\n$/.exec(text)?.[1];
  if (errno === undefined) throw protocolError(device, SOURCE, 'no errno line at the end');
  const number = Math.abs(Number(errno));
  if (number === EPERM || number === EACCES) throw permissionMissing(device);
  if (number !== 0)
    throw new StunmeshError('ERR_WG_FAILED', `WireGuard device "${device}": ${SOURCE} refused it (errno ${number})`, {
      details: { device, errno: number },
    });
}

interface OpenPeer {
  publicKey: PublicKey;
  presharedKey?: SecretKey;
  endpoint?: Peer['endpoint'];
  allowedIps: string[];
  handshakeMs: number;
  rxBytes: number;
  txBytes: number;
  keepaliveSeconds: number;
}

/** A reading from the answer to GET_REQUEST; keys that are not known are passed over. Errors: checkAnswer's, and ERR_WG_PROTOCOL (line and key). */
export function parseGetAnswer(text: string, names: DeviceNames): DeviceReading {
  checkAnswer(text, names.name);
  let secretKey: SecretKey | undefined;
  let listenPort = 0;
  let firewallMark = 0;
  const open: OpenPeer[] = [];

  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') break;
    const at = line.indexOf('=');
    const key = at < 0 ? '' : line.slice(0, at);
    const value = line.slice(at + 1);
    const read = <T>(parsed: T | undefined): T => {
      if (parsed !== undefined) return parsed;
      throw protocolError(names.name, SOURCE, `line ${index + 1} (${KNOWN_KEYS.has(key) ? key : 'no key=value'})`);
    };
    read(at < 0 ? undefined : key);
    if (key === 'private_key') secretKey = read(parseSecret(value));
    else if (key === 'listen_port') listenPort = read(parseDecimal(value, 65535));
    else if (key === 'fwmark') firewallMark = read(parseDecimal(value, 2 ** 32 - 1));
    else if (key === 'public_key') open.push(createPeer(read(parseHexKey(value))));
    else if (PEER_KEYS.has(key)) readPeerKey(read(open.at(-1)), key, value, read);
  }
  if (!secretKey) throw privateKeyWithheld(names.name);
  const publicKey = publicKeyOf(secretKey);
  if (!publicKey) throw protocolError(names.name, SOURCE, 'a private key without a public one');
  return {
    device: {
      ...names,
      way: 'socket',
      publicKey,
      secretKey,
      listenPort,
      firewallMark,
      peers: new Map(open.map((peer) => [peer.publicKey, closePeer(peer)])),
    },
    presharedKeys: new Map(open.flatMap((p) => (p.presharedKey ? [[p.publicKey, p.presharedKey] as const] : []))),
  };
}

const PEER_KEYS = new Set([
  'preshared_key',
  'endpoint',
  'last_handshake_time_sec',
  'last_handshake_time_nsec',
  'tx_bytes',
  'rx_bytes',
  'persistent_keepalive_interval',
  'allowed_ip',
]);
const KNOWN_KEYS = new Set([...PEER_KEYS, 'private_key', 'listen_port', 'fwmark', 'public_key']);

function createPeer(publicKey: PublicKey): OpenPeer {
  return { publicKey, allowedIps: [], handshakeMs: 0, rxBytes: 0, txBytes: 0, keepaliveSeconds: 0 };
}

function readPeerKey(peer: OpenPeer, key: string, value: string, read: <T>(parsed: T | undefined) => T): void {
  const decimal = (most: number) => read(parseDecimal(value, most));
  if (key === 'preshared_key') {
    if (value !== NO_KEY) peer.presharedKey = read(parseSecret(value));
  } else if (key === 'endpoint') peer.endpoint = read(parseShownEndpoint(value));
  else if (key === 'last_handshake_time_sec') peer.handshakeMs += decimal(8.64e12) * 1000;
  else if (key === 'last_handshake_time_nsec') peer.handshakeMs += Math.floor(decimal(1e9) / 1e6);
  else if (key === 'tx_bytes') peer.txBytes = decimal(2 ** 64);
  else if (key === 'rx_bytes') peer.rxBytes = decimal(2 ** 64);
  else if (key === 'persistent_keepalive_interval') peer.keepaliveSeconds = decimal(65535);
  else if (key === 'allowed_ip') peer.allowedIps.push(read(canonicalPrefix(value)));
}

/** F25: a handshake at 0 is none. */
function closePeer({ handshakeMs, presharedKey: _, endpoint, ...rest }: OpenPeer): Peer {
  return { ...rest, ...(endpoint && { endpoint }), ...(handshakeMs > 0 && { latestHandshakeAt: handshakeMs }) };
}

function parseSecret(hex: string): SecretKey | undefined {
  return /^[0-9a-fA-F]{64}$/.test(hex) ? SecretKey.parse(hex) : undefined;
}

function parseHexKey(hex: string): PublicKey | undefined {
  return /^[0-9a-fA-F]{64}$/.test(hex) ? parsePublicKey(Buffer.from(hex, 'hex').toString('base64')) : undefined;
}
