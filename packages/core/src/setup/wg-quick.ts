/** Reads what `init` needs of a wg-quick file (wg-quick(8), wg(8) CONFIGURATION FILE FORMAT); pure, and it forgets the private key at once. */
import nacl from 'tweetnacl';
import { hasCode, parsePublicKey, SecretKey, StunmeshError } from '../api/index.js';
import { parsePrefix } from '../net/index.js';
import type { FoundDevice, FoundPeer } from './found-device.js';
import { nameIn } from './peer-names.js';

interface OpenPeer {
  name: string | undefined;
  publicKey: string | undefined;
  keepaliveSeconds: number | undefined;
  hasEndpoint: boolean;
  readonly line: number;
  readonly allowedIps: string[];
}

/** What is read so far. */
interface Reading {
  readonly file: string;
  section: 'interface' | 'peer' | undefined;
  publicKey: string | undefined;
  listenPort: number;
  readonly addresses: string[];
  readonly peers: OpenPeer[];
  /** A name in a comment, for the peer that follows. */
  remark: string | undefined;
}

/** `file` names it in messages, which give lines and keys and never a value. Errors: ERR_CONFIG_SYNTAX. */
export function parseWgQuick(text: string, file: string): Omit<FoundDevice, 'name'> {
  const reading: Reading = {
    file,
    section: undefined,
    publicKey: undefined,
    listenPort: 0,
    addresses: [],
    peers: [],
    remark: undefined,
  };
  for (const [index, raw] of text.split(/\r?\n/).entries()) readLine(reading, raw, index + 1);
  const { publicKey, listenPort, addresses, peers } = reading;
  return {
    ...(publicKey === undefined ? {} : { publicKey }),
    listenPort,
    ...(addresses.length === 0 ? {} : { addresses }),
    peers: merged(peers.map((peer) => close(peer, file))),
  };
}

function readLine(reading: Reading, raw: string, number: number): void {
  const at = raw.indexOf('#');
  const comment = at < 0 ? undefined : raw.slice(at + 1);
  // As wg(8) reads it: white space means nothing.
  const line = (at < 0 ? raw : raw.slice(0, at)).replace(/\s+/g, '');
  const peer = reading.section === 'peer' ? reading.peers.at(-1) : undefined;
  if (line === '') {
    reading.remark = comment === undefined ? undefined : (nameIn(comment) ?? reading.remark);
    // A name may also stand below its [Peer].
    if (peer && peer.publicKey === undefined) peer.name ??= reading.remark;
    return;
  }
  if (line.startsWith('[')) openSection(reading, line, number, comment);
  else readSetting(reading, peer, line, number);
}

function openSection(reading: Reading, line: string, number: number, comment: string | undefined): void {
  const section = /^\[(interface|peer)\]$/i.exec(line)?.[1]?.toLowerCase() as Reading['section'];
  if (section === undefined) throw mistake(reading.file, number, 'a section that is neither [Interface] nor [Peer]');
  reading.section = section;
  if (section === 'peer')
    reading.peers.push({
      name: reading.remark ?? (comment === undefined ? undefined : nameIn(comment)),
      publicKey: undefined,
      keepaliveSeconds: undefined,
      hasEndpoint: false,
      line: number,
      allowedIps: [],
    });
  reading.remark = undefined;
}

function readSetting(reading: Reading, peer: OpenPeer | undefined, line: string, number: number): void {
  const fail = (what: string): never => {
    throw mistake(reading.file, number, what);
  };
  const [, word, value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
  const key = word?.toLowerCase();
  if (key === undefined || reading.section === undefined) fail('no "Key = value" inside a section');
  if (!peer) {
    if (key === 'privatekey') reading.publicKey = publicKeyOf(value) ?? fail('PrivateKey is no WireGuard key');
    else if (key === 'listenport') reading.listenPort = wholeNumber(value) ?? fail('ListenPort is not 0 to 65535');
    else if (key === 'address') reading.addresses.push(...(addresses(value) ?? fail('Address holds no address')));
    return;
  }
  if (key === 'publickey') peer.publicKey = parsePublicKey(value) ?? fail('PublicKey is no WireGuard key');
  else if (key === 'allowedips') peer.allowedIps.push(...(prefixes(value) ?? fail('AllowedIPs holds no prefix')));
  else if (key === 'endpoint') peer.hasEndpoint = true;
  else if (key === 'persistentkeepalive')
    peer.keepaliveSeconds =
      (value.toLowerCase() === 'off' ? 0 : wholeNumber(value)) ?? fail('PersistentKeepalive is not 0 to 65535, or off');
}

function mistake(file: string, line: number, what: string): StunmeshError {
  return new StunmeshError('ERR_CONFIG_SYNTAX', `${file}:${line}: ${what}`, { details: { file } });
}

function close(peer: OpenPeer, file: string): FoundPeer & { readonly keepaliveIsSet: boolean } {
  const { name, publicKey, keepaliveSeconds, hasEndpoint, line, allowedIps } = peer;
  if (publicKey === undefined) throw mistake(file, line, 'a [Peer] without PublicKey');
  return {
    ...(name === undefined ? {} : { name }),
    publicKey,
    allowedIps,
    keepaliveSeconds: keepaliveSeconds ?? 0,
    keepaliveIsSet: keepaliveSeconds !== undefined,
    ...(hasEndpoint ? { hasEndpoint } : {}),
  };
}

/** One peer a key, as WireGuard has it: what a later [Peer] says is added, or comes in place of the former. */
function merged(found: readonly (FoundPeer & { readonly keepaliveIsSet: boolean })[]): readonly FoundPeer[] {
  const peers = new Map<string, FoundPeer>();
  for (const { keepaliveIsSet, ...peer } of found) {
    const before = peers.get(peer.publicKey);
    const { name = peer.name, keepaliveSeconds } = before ?? peer;
    peers.set(peer.publicKey, {
      ...before,
      ...peer,
      ...(name === undefined ? {} : { name }),
      allowedIps: [...new Set([...(before?.allowedIps ?? []), ...peer.allowedIps])],
      keepaliveSeconds: keepaliveIsSet ? peer.keepaliveSeconds : keepaliveSeconds,
    });
  }
  return [...peers.values()];
}

function publicKeyOf(privateKey: string): string | undefined {
  try {
    return Buffer.from(nacl.scalarMult.base(SecretKey.parse(privateKey).expose())).toString('base64');
  } catch (error) {
    if (hasCode(error, 'ERR_KEY_INVALID')) return undefined;
    throw error;
  }
}

/** Decimal, leading zeros and all. */
function wholeNumber(text: string): number | undefined {
  return /^\d{1,16}$/.test(text) && Number(text) < 65_536 ? Number(text) : undefined;
}

function prefixes(text: string): readonly string[] | undefined {
  const parts = text.split(',').filter((part) => part !== '');
  return parts.every((part) => parsePrefix(part) !== undefined) ? parts : undefined;
}

/** Of this host inside the tunnel, without their prefix lengths. */
function addresses(text: string): readonly string[] | undefined {
  return prefixes(text)?.map((prefix) => prefix.replace(/\/\d+$/, ''));
}
