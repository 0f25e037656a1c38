/** Reads what `init` needs of a wg-quick file (wg-quick(8), wg(8) CONFIGURATION FILE FORMAT); pure, and it forgets the private key at once. */
import nacl from 'tweetnacl';
import { hasCode, parsePublicKey, SecretKey, StunmeshError } from '../api/index.js';
import { parsePrefix } from '../net/index.js';
import type { FoundDevice, FoundPeer } from './found-device.js';

interface OpenPeer {
  name: string | undefined;
  publicKey: string | undefined;
  keepaliveSeconds: number;
  readonly line: number;
  readonly allowedIps: string[];
}

/** `file` names it in messages, which give lines and keys and never a value. Errors: ERR_CONFIG_SYNTAX. */
export function parseWgQuick(text: string, file: string): Omit<FoundDevice, 'name'> {
  let section: 'interface' | 'peer' | undefined;
  let publicKey: string | undefined;
  let listenPort = 0;
  let remark: string | undefined;
  const peers: OpenPeer[] = [];
  const lines = text.split(/\r?\n/);
  for (const [index, raw] of lines.entries()) {
    const fail = (what: string): never => {
      throw new StunmeshError('ERR_CONFIG_SYNTAX', `${file}:${index + 1}: ${what}`, { details: { file } });
    };
    const at = raw.indexOf('#');
    const line = (at < 0 ? raw : raw.slice(0, at)).trim();
    if (at >= 0 && line === '') remark = nameIn(raw.slice(at + 1)) ?? remark;
    if (line === '') {
      if (at < 0) remark = undefined;
      // A name may also stand below its [Peer].
      const peer = peers.at(-1);
      if (section === 'peer' && peer && remark !== undefined && peer.publicKey === undefined) peer.name ??= remark;
      continue;
    }
    const heading = /^\[(\w+)\]$/.exec(line)?.[1]?.toLowerCase();
    if (line.startsWith('[')) {
      if (heading !== 'interface' && heading !== 'peer') fail('a section that is neither [Interface] nor [Peer]');
      section = heading as 'interface' | 'peer';
      if (section === 'peer')
        peers.push({ name: remark, publicKey: undefined, keepaliveSeconds: 0, line: index + 1, allowedIps: [] });
      remark = undefined;
      continue;
    }
    const [, word, value = ''] = /^(\w+)\s*=\s*(.*)$/.exec(line) ?? [];
    const key = word?.toLowerCase();
    if (key === undefined || section === undefined) return fail('no "Key = value" inside a section');
    const peer = peers.at(-1);
    if (section === 'interface') {
      if (key === 'privatekey') publicKey = publicKeyOf(value) ?? fail('PrivateKey is no WireGuard key');
      else if (key === 'listenport') listenPort = wholeNumber(value) ?? fail('ListenPort is not 0 to 65535');
    } else if (peer && key === 'publickey')
      peer.publicKey = parsePublicKey(value) ?? fail('PublicKey is no WireGuard key');
    else if (peer && key === 'allowedips')
      peer.allowedIps.push(...(prefixes(value) ?? fail('AllowedIPs holds no prefix')));
    else if (peer && key === 'persistentkeepalive')
      peer.keepaliveSeconds =
        (value === 'off' ? 0 : wholeNumber(value)) ?? fail('PersistentKeepalive is not 0 to 65535');
  }
  return {
    ...(publicKey === undefined ? {} : { publicKey }),
    listenPort,
    peers: peers.map((peer) => close(peer, file)),
  };
}

function close({ name, publicKey, keepaliveSeconds, line, allowedIps }: OpenPeer, file: string): FoundPeer {
  if (publicKey === undefined)
    throw new StunmeshError('ERR_CONFIG_SYNTAX', `${file}:${line}: a [Peer] without PublicKey`, { details: { file } });
  return { ...(name === undefined ? {} : { name }), publicKey, allowedIps, keepaliveSeconds };
}

function publicKeyOf(privateKey: string): string | undefined {
  try {
    return Buffer.from(nacl.scalarMult.base(SecretKey.parse(privateKey).expose())).toString('base64');
  } catch (error) {
    if (hasCode(error, 'ERR_KEY_INVALID')) return undefined;
    throw error;
  }
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) < 65_536 ? Number(text) : undefined;
}

function prefixes(text: string): readonly string[] | undefined {
  const list = text.split(',').map((part) => part.trim());
  const parts = list.filter((part) => part !== '');
  return parts.every((part) => parsePrefix(part) !== undefined) ? parts : undefined;
}

/** "# office", "# Name = office"; a setting that was commented out, and anything with a key in it, is no name. */
function nameIn(comment: string): string | undefined {
  const text = comment.replace(/^\s*(?:friendly_?)?name\s*[:=]\s*/i, '').trim();
  return /^[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}$/.test(text) && !/key/i.test(text) ? text : undefined;
}
