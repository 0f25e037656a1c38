/** What resolv.conf(5) says: whom to ask, and which names a short name stands for (F80). */
import { readFileSync } from 'node:fs';
import type { Endpoint } from '../api/index.js';
import { parseAddress } from '../net/index.js';

const DNS_PORT = 53;
/** More search domains than this are not tried: each costs a question a name server. */
const MOST_DOMAINS = 6;
/** resolv.conf(5): the default, and the largest value that is not cut. */
const NDOTS = 1;
const MOST_NDOTS = 15;

export interface ResolvConf {
  readonly nameServers: readonly Endpoint[];
  /** Domains, without a dot at their end. */
  readonly search: readonly string[];
  /** A name with so many dots is asked for as it is first. */
  readonly ndots: number;
}

/** Read afresh each time, as a network that is joined brings another one; a file that is not there is an empty one. */
export function readResolvConf(file = '/etc/resolv.conf'): ResolvConf {
  try {
    return parseResolvConf(readFileSync(file, 'utf8'));
  } catch {
    return parseResolvConf('');
  }
}

export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  );
  const nameServers = lines.flatMap(([key, address = '']): Endpoint[] => {
    const bytes = key === 'nameserver' ? parseAddress(address) : undefined;
    return bytes ? [{ family: bytes.length === 4 ? 4 : 6, address, port: DNS_PORT }] : [];
  });
  // Of several lines the last one counts; `domain` is a list of one.
  const last = lines.findLast(([key]) => key === 'search' || key === 'domain') ?? [];
  const domains = last[0] === 'domain' ? last.slice(1, 2) : last.slice(1);
  const options = lines.filter(([key]) => key === 'options').flatMap(([, ...words]) => words);
  const given = options.flatMap((word) => /^ndots:(\d{1,3})$/.exec(word)?.[1] ?? []).at(-1);
  return {
    nameServers,
    search: domains
      .map(withoutDot)
      .filter((domain) => domain !== '')
      .slice(0, MOST_DOMAINS),
    ndots: given === undefined ? NDOTS : Math.min(Number(given), MOST_NDOTS),
  };
}

/** The names that name servers are asked for, in this order, until one has addresses. A dot at the end says that a name is whole. */
export function namesToTry(host: string, { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>): readonly string[] {
  if (host.endsWith('.')) return [withoutDot(host)];
  const longer = search.map((domain) => `${host}.${domain}`);
  const dots = host.split('.').length - 1;
  return [...new Set(dots >= ndots ? [host, ...longer] : [...longer, host])];
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, '');
}
