/** Parser of `wg show DEVICE dump` (wg(8)): tab-separated, the device's line, then a line for each peer; pure. */
import { type Peer, type PublicKey, parsePublicKey, SecretKey } from '../api/index.js';
import { privateKeyMissing, protocolError } from './errors.js';
import { canonicalPrefix, type DeviceNames, type DeviceReading, parseDecimal, parseShownEndpoint } from './reading.js';

const NONE = '(none)';
const OFF = 'off';
const SOURCE = 'wg show dump';

/** Reads the fields of one line; every failure names line and field, never the text (F24). */
class Line {
  readonly #device: string;
  readonly #number: number;
  readonly #fields: readonly string[];

  constructor(device: string, number: number, text: string) {
    this.#device = device;
    this.#number = number;
    this.#fields = text.split('\t');
  }

  /** A line may have more fields than these (a later wg), never fewer. */
  expect(count: number): this {
    if (this.#fields.length >= count) return this;
    throw this.#wrong(`${this.#fields.length} fields where ${count} are needed`);
  }

  text(index: number): string {
    return this.#fields[index] ?? '';
  }

  /** The field as `parse` reads it; undefined from `parse` is an error. */
  read<T>(index: number, name: string, parse: (text: string) => T | undefined): T {
    const value = parse(this.text(index));
    if (value === undefined) throw this.#wrong(`field ${index + 1} (${name})`);
    return value;
  }

  #wrong(what: string) {
    return protocolError(this.#device, SOURCE, `line ${this.#number}, ${what}`);
  }
}

/** A reading from the tool's output. Errors: ERR_WG_PROTOCOL (line and field), ERR_WG_FAILED (the device has no private key). */
export function parseDump(text: string, names: DeviceNames): DeviceReading {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  while (lines.at(-1) === '') lines.pop();

  const first = new Line(names.name, 1, lines[0] ?? '').expect(4);
  if (first.text(0) === NONE) throw privateKeyMissing(names.name);
  const secretKey = first.read(0, 'private key', parseSecret);
  const publicKey = first.read(1, 'public key', parsePublicKey);
  const listenPort = first.read(2, 'listen port', (t) => parseDecimal(t, 65535));
  const firewallMark = first.read(3, 'fwmark', parseMark);

  const peers = new Map<PublicKey, Peer>();
  const presharedKeys = new Map<PublicKey, SecretKey>();
  for (const [index, line] of lines.slice(1).entries()) {
    const fields = new Line(names.name, index + 2, line).expect(8);
    const peer = parsePeer(fields);
    const presharedKey = fields.read(1, 'preshared key', (t) => (t === NONE ? null : parseSecret(t)));
    peers.set(peer.publicKey, peer);
    if (presharedKey) presharedKeys.set(peer.publicKey, presharedKey);
  }
  return { device: { ...names, way: 'wg', publicKey, secretKey, listenPort, firewallMark, peers }, presharedKeys };
}

function parsePeer(fields: Line): Peer {
  const endpoint = fields.read(2, 'endpoint', (t) => (t === NONE ? null : parseShownEndpoint(t)));
  const seconds = fields.read(4, 'latest handshake', (t) => parseDecimal(t, 8.64e12));
  return {
    publicKey: fields.read(0, 'public key', parsePublicKey),
    ...(endpoint && { endpoint }),
    allowedIps: fields.read(3, 'allowed ips', parseAllowedIps),
    ...(seconds > 0 && { latestHandshakeAt: seconds * 1000 }),
    rxBytes: fields.read(5, 'transfer-rx', (t) => parseDecimal(t, 2 ** 64)),
    txBytes: fields.read(6, 'transfer-tx', (t) => parseDecimal(t, 2 ** 64)),
    keepaliveSeconds: fields.read(7, 'persistent-keepalive', (t) => (t === OFF ? 0 : parseDecimal(t, 65535))),
  };
}

function parseSecret(text: string): SecretKey | undefined {
  return parsePublicKey(text) && SecretKey.parse(text);
}

function parseMark(text: string): number | undefined {
  if (text === OFF) return 0;
  return /^0x[0-9a-f]{1,8}$/i.test(text) ? Number(text) : undefined;
}

function parseAllowedIps(text: string): readonly string[] | undefined {
  if (text === NONE || text === '') return [];
  const parsed = text.split(',').map(canonicalPrefix);
  return parsed.every((prefix) => prefix !== undefined) ? parsed : undefined;
}
