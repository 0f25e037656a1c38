/** Texts with a form of their own: each format says what is wrong with a text, what is allowed, and what was likely meant. */

import { parseDuration } from '../api/index.js';
import { parseAddress, parsePrefix, refusedAddress } from '../net/address.js';
import { parseEndpoint } from '../net/endpoint.js';

export interface Format {
  /** What is wrong; undefined: nothing. Secrets are not quoted. */
  readonly check: (text: string) => string | undefined;
  readonly allowed: string;
  readonly suggest?: (text: string) => string | undefined;
  /** For editors, which do not know the format. */
  readonly pattern: string;
}

const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/;
const DURATION = '^\\+?(?:(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+$';

export const FORMATS: Readonly<Record<string, Format>> = {
  duration: {
    check: checkDuration,
    allowed: 'a duration of at least 1ms: numbers with units (ns, us, ms, s, m, h), as 90s or 1m30s',
    suggest: suggestDuration,
    pattern: DURATION,
  },
  'stun-server': {
    check: checkServer,
    allowed: 'host:port, as stun.example.org:3478, 192.0.2.1:3478 or [2001:db8::1]:3478',
    suggest: suggestServer,
    pattern: '^[^\\s:]+:[0-9]{1,5}$|^\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5}$',
  },
  'public-key': {
    check: checkPublicKey,
    allowed: "the peer's public key as wg(8) shows it: 44 characters of base64, the last one '='",
    pattern: '^[A-Za-z0-9+/]{43}=$',
  },
  host: {
    check: (text) => (isHost(text) ? undefined : `${JSON.stringify(text)} is neither an address nor a host name`),
    allowed: 'an IPv4 or IPv6 address or a host name, without port and prefix length',
    suggest: (text) => {
      const bare = text.replace(/^\[|\]$|\/\d+$/g, '');
      return isHost(bare) ? bare : undefined;
    },
    pattern: '^[A-Za-z0-9_.:-]+$',
  },
  device: {
    check: (text) => (isDevice(text) ? undefined : `${JSON.stringify(text)} cannot be the name of a network device`),
    allowed: '1 to 15 letters, digits and _ = + . -',
    pattern: '^(?!\\.\\.?$)[A-Za-z0-9_=+.-]{1,15}$',
  },
  'listen-address': {
    check: checkListen,
    allowed: 'a numeric address and a port, as 127.0.0.1:9586 or [::1]:9586',
    suggest: (text) => {
      const local = text.replace(/^localhost:/i, '127.0.0.1:').replace(/^:?(?=\d+$)/, '127.0.0.1:');
      return local !== text && checkListen(local) === undefined ? local : undefined;
    },
    pattern: '^[0-9.]+:[0-9]{1,5}$|^\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5}$',
  },
  prefix: {
    check: checkLan,
    allowed: 'true, false, or a list of prefixes, as [10.0.0.0/8, fd00::/8]',
    suggest: (text) => {
      const word = text
        .toLowerCase()
        .replace(/^(?:yes|on)$/, 'true')
        .replace(/^(?:no|off)$/, 'false');
      return checkLan(word) === undefined ? word : undefined;
    },
    pattern: '^(?:true|false|[0-9A-Fa-f:.]+(?:/[0-9]{1,3})?)$',
  },
  'host-port': {
    check: (text) => checkServer(text) ?? checkAdvertised(text),
    allowed: "host:port that leads to WireGuard's port, as vpn.example.org:51820, 192.0.2.1:443 or [2001:db8::1]:51820",
    pattern: '^[^\\s:]+:[0-9]{1,5}$|^\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5}$',
  },
  folder: {
    check: (text) => (/^\/[^\0]*$/.test(text) ? undefined : `${JSON.stringify(text)} is not an absolute path`),
    allowed: 'an absolute path, as /run/stunmesh',
    pattern: '^/',
  },
};

function checkListen(text: string): string | undefined {
  return parseEndpoint(text) ? undefined : `${JSON.stringify(text)} is not a numeric address with a port`;
}

function isHost(text: string): boolean {
  if (parseAddress(text)) return true;
  return HOST_NAME.test(text) && !/^[0-9.]+$/.test(text);
}

/** wg-quick's own rule for names; they become parts of file names here too. */
function isDevice(text: string): boolean {
  return /^[A-Za-z0-9_=+.-]{1,15}$/.test(text) && text !== '.' && text !== '..';
}

function checkDuration(text: string): string | undefined {
  if (/^[+-]?[\d.]+$/.test(text) && !/^[+-]?0+$/.test(text)) return `${JSON.stringify(text)} has no unit`;
  const ms = /^[+-]?0+$/.test(text) ? 0 : parseDuration(text);
  if (ms === undefined) return `${JSON.stringify(text)} is not a duration`;
  if (ms <= 0) return `${JSON.stringify(text)} is not longer than zero`;
  return ms < 1 ? `${JSON.stringify(text)} is too short` : undefined;
}

const LONG_UNITS: readonly (readonly [RegExp, string])[] = [
  [/milliseconds?|msecs?|millis/g, 'ms'],
  [/seconds?|secs?/g, 's'],
  [/minutes?|mins?/g, 'm'],
  [/hours?|hrs?/g, 'h'],
  [/(\d+)d(?:ays?)?/g, ''],
];

/** A bare number is meant in seconds; days, blanks, capitals and long unit names are rewritten. */
function suggestDuration(text: string): string | undefined {
  if (text.length > 64) return undefined;
  let short = text.toLowerCase().replaceAll(/\s|^[+-]|,|and/g, '');
  for (const [long, unit] of LONG_UNITS)
    short = short.replace(long, (_, days: unknown) => (unit === '' ? `${Number(days) * 24}h` : unit));
  if (/^[\d.]+$/.test(short)) short = `${short}s`;
  return short !== text && checkDuration(short) === undefined ? short : undefined;
}

function checkServer(text: string): string | undefined {
  const quoted = JSON.stringify(text);
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  const colon = text.lastIndexOf(':');
  if (!bracketed && parseAddress(text)?.length === 16) return `${quoted} is an IPv6 address without brackets and port`;
  const host = bracketed ? bracketed[1] : colon < 0 ? text : text.slice(0, colon);
  const port = bracketed ? bracketed[2] : colon < 0 ? undefined : text.slice(colon + 1);
  const address = parseAddress(host ?? '');
  if (bracketed ? address?.length !== 16 : !isHost(host ?? '') || address?.length === 16)
    return `${quoted} has no host name or address that can be used`;
  if (port === undefined || port === '') return `${quoted} has no port`;
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535)
    return `${quoted} has a port that is not 1 to 65535`;
  const refused = address && refusedAddress(address);
  return refused && refused !== 'loopback' ? `${quoted} is an ${refused} address`.replace('an m', 'a m') : undefined;
}

function checkLan(text: string): string | undefined {
  if (text === 'true' || text === 'false' || parsePrefix(text)) return undefined;
  return `${JSON.stringify(text)} is no prefix`;
}

/** A name may stand for any address, and is looked at again when it is known. */
function checkAdvertised(text: string): string | undefined {
  const endpoint = parseEndpoint(text);
  const address = endpoint && parseAddress(endpoint.address);
  return address && refusedAddress(address) ? `${JSON.stringify(text)} is a loopback address` : undefined;
}

function suggestServer(text: string): string | undefined {
  const bare = text.replace(/^(?:stun:|udp:|\w+:\/\/)(?:\/\/)?/, '').replace(/\/.*$/, '');
  const candidates = [bare, `[${bare}]:3478`, `${bare}:3478`];
  return candidates.find((candidate) => candidate !== text && checkServer(candidate) === undefined);
}

/** Never quoted: somebody may have put a private key here. */
function checkPublicKey(text: string): string | undefined {
  const key = text.trim();
  if (/^[A-Za-z0-9+/]{43}=$/.test(key)) return /^A{43}=$/.test(key) ? 'the key of all zeros is no key' : undefined;
  if (/^[0-9a-fA-F]{64}$/.test(key)) return 'a key in hexadecimal';
  if (/^[A-Za-z0-9_-]{43}=?$/.test(key)) return 'a key in the URL form of base64, or without its last =';
  return key === '' ? 'empty' : `not a WireGuard key (${key.length} characters)`;
}
