/** Reads the address of a Redis server; nothing of it is quoted in errors, as it may hold a password (F34). */
import { StunmeshError } from '@stunmesh/core/api';

export const DEFAULT_PORT = 6379;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A TCP address, or the path of a unix socket. */
export type Address = HostPort | { readonly path: string };

export interface RedisUrl {
  readonly address: Address;
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
}

const FORMS =
  'redis://USER:PASSWORD@HOST:PORT/DB, rediss://… (TLS), unix:///PATH?db=DB; what is not needed may be left out';

const refuse = (what: string): StunmeshError =>
  new StunmeshError('ERR_CONFIG_INVALID', `url: ${what}; allowed: ${FORMS}`, { details: { key: 'url' } });

/** Errors: ERR_CONFIG_INVALID. */
export function parseRedisUrl(text: string): RedisUrl {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw refuse('not a URL (characters such as / @ : # % in a password are written as %2F %40 %3A %23 %25)');
  }
  const secrets = {
    ...(url.username === '' ? {} : { username: decode(url.username) }),
    ...(url.password === '' ? {} : { password: decode(url.password) }),
  };
  if (url.hash !== '') throw refuse('a # begins a part that has no meaning here; in a password write it as %23');
  switch (url.protocol) {
    case 'redis:':
    case 'rediss:': {
      if (url.search !== '') throw refuse('it has a part after "?", which has no meaning here');
      if (url.hostname === '') throw refuse('no host');
      const host = decode(url.hostname.replace(/^\[(.*)\]$/, '$1'));
      const db = url.pathname.replace(/^\//, '');
      return {
        address: { host, port: url.port === '' ? DEFAULT_PORT : Number(url.port) },
        tls: url.protocol === 'rediss:',
        ...secrets,
        ...(db === '' ? {} : { db: parseDb(db) }),
      };
    }
    case 'unix:':
    case 'redis+unix:': {
      if (url.host !== '')
        throw refuse('a socket is named by an absolute path, after three slashes; a password has its own key');
      const path = decode(url.pathname);
      if (path.length < 2) throw refuse('no path of a socket');
      const names = [...url.searchParams.keys()];
      if (names.some((name) => name !== 'db')) throw refuse('only "db" may follow the "?"');
      const db = url.searchParams.get('db');
      return { address: { path }, tls: false, ...(db === null ? {} : { db: parseDb(db) }) };
    }
    default:
      throw refuse('it begins with something else');
  }
}

/** "host", "host:port" or "[address]:port". Errors: ERR_CONFIG_INVALID. */
export function parseNode(text: string, where: string, defaultPort: number): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.%\w]+)\]|([^\s:/@[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  const form = 'allowed: HOST:PORT, as redis1.example.org:6379 or [2001:db8::1]:6379, without redis:// and password';
  throw new StunmeshError('ERR_CONFIG_INVALID', `${where}: not the address of a server; ${form}`, {
    details: { key: where.split('.')[0] ?? where },
  });
}

/** For messages: never with a password. */
export function formatAddress(address: Address): string {
  if ('path' in address) return address.path;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

function parseDb(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw refuse('the database is not a number');
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refuse('a % that is not followed by two hexadecimal digits; write it as %25');
  }
}
