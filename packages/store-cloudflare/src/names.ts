/** Names and content of the TXT records that hold records: KEY.SUBDOMAIN.ZONE, the value as it is. */
import { domainToASCII } from 'node:url';
import { STORE_KEY, StunmeshError } from '@stunmesh/core/api';

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const KEY_LENGTH = 40;
/** RFC 1035 2.3.4, without the dot at the end. */
const LONGEST_NAME = 253;

export interface Names {
  /** The zone in lower-case ASCII, without a dot at the end. */
  readonly zone: string;
  /** What follows the key, with its leading dot: `.wg.example.com`. */
  readonly suffix: string;
  /** True for this zone's name, also in Unicode. */
  isZone(name: string): boolean;
  nameOf(key: string): string;
  /** The key whose record has this name, undefined for any other name. */
  keyOf(name: string): string | undefined;
}

function domain(text: string, what: string): string {
  // It reads a host out of a URL, and so would stop in silence where a path begins.
  const ascii = /[\s/\\?#@:%[\]]/.test(text) ? '' : domainToASCII(text.replace(/\.$/, '')).toLowerCase();
  if (ascii !== '' && ascii.split('.').every((label) => LABEL.test(label))) return ascii;
  throw new StunmeshError('ERR_CONFIG_INVALID', `${what} "${text}" is no domain name; write one such as example.com`, {
    details: { key: what },
  });
}

/** Names below `subdomain` (may be empty) of `zone`. Errors: ERR_CONFIG_INVALID. */
export function createNames(zone: string, subdomain: string): Names {
  const zoneName = domain(zone, 'zone');
  const suffix = `.${subdomain === '' ? '' : `${domain(subdomain, 'subdomain')}.`}${zoneName}`;
  if (KEY_LENGTH + suffix.length > LONGEST_NAME) {
    const most = LONGEST_NAME - KEY_LENGTH - 1;
    throw new StunmeshError('ERR_CONFIG_INVALID', `subdomain and zone together have more than ${most} characters`);
  }
  return {
    zone: zoneName,
    suffix,
    isZone: (name) => domainToASCII(name.replace(/\.$/, '')).toLowerCase() === zoneName,
    nameOf: (key) => key + suffix,
    keyOf(name) {
      const lower = name.toLowerCase().replace(/\.$/, '');
      const key = lower.slice(0, KEY_LENGTH);
      return lower.slice(KEY_LENGTH) === suffix && STORE_KEY.test(key) ? key : undefined;
    },
  };
}

/** The longest value, each character written as an escape of four, takes it all. What is longer is no value and need not be taken apart. */
const LONGEST_CONTENT = 8_192;

/** The text of a TXT record however it is written: bare, quoted, or as several quoted strings (RFC 1035 5.1), joined (F36). */
export function parseContent(whole: string): string {
  const content = whole.slice(0, LONGEST_CONTENT);
  const strings = [...content.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map((match) => match[1] ?? '');
  const joined = strings.length > 0 ? strings.join('') : content;
  return joined
    .replace(/\\(\d{3}|.)/gs, (_, what: string) => (what.length === 3 ? String.fromCharCode(Number(what)) : what))
    .replace(/\s+/g, '');
}

/** A character string of a TXT record. */
const STRING = /.{1,255}/g;

/** The content for a value: bare, as every reader takes it; in quotes where the API insists on them, or where it takes several strings. */
export function formatContent(value: string, quoted: boolean): string {
  const strings = value.match(STRING) ?? [];
  return quoted || strings.length > 1 ? strings.map((text) => `"${text}"`).join(' ') : value;
}

/** True for text that can be a value; a stranger's record may hold anything. */
export function isValue(text: string): boolean {
  return /^[0-9a-fA-F]+$/.test(text);
}
