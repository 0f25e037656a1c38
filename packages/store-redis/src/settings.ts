/** The configuration of an instance in the form the rest works with; contradictions are refused, secrets never quoted. */
import { isAbsolute, join } from 'node:path';
import { parseDuration, StunmeshError } from '@stunmesh/core/api';
import type { RedisStoreConfig, SentinelsConfig } from './config-schema.js';
import { type Address, DEFAULT_PORT, formatAddress, type HostPort, parseNode, parseRedisUrl } from './redis-url.js';

const DEFAULT_PREFIX = 'stunmesh:';
const SENTINEL_PORT = 26_379;
/** A shorter lifetime would be over before the next refresh. */
const LEAST_TTL_MS = 1_000;

/** A password, or the file that holds it. */
export type Secret = { readonly text: string } | { readonly file: string };

export interface Credentials {
  readonly username?: string;
  readonly password?: Secret;
}

/** Files in PEM form. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

export type Target =
  | { readonly kind: 'single'; readonly address: Address }
  | {
      readonly kind: 'sentinel';
      readonly name: string;
      readonly nodes: readonly HostPort[];
      readonly credentials: Credentials;
    }
  | { readonly kind: 'cluster'; readonly nodes: readonly HostPort[] };

export interface Settings {
  readonly target: Target;
  readonly credentials: Credentials;
  /** Absent: no TLS. */
  readonly tls?: TlsFiles;
  readonly db: number;
  readonly prefix: string;
  readonly ttlMs?: number;
  /** Names the server in messages: "redis.example.org:6379". */
  readonly place: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A text that is about one setting begins with its name. */
function refuse(text: string): StunmeshError {
  const key = /^(\w+)[\w.]*: /.exec(text)?.[1];
  return new StunmeshError('ERR_CONFIG_INVALID', text, key === undefined ? {} : { details: { key } });
}

/** Errors: ERR_CONFIG_INVALID. */
export function parseSettings(config: RedisStoreConfig, env: Environment): Settings {
  const { target, tls, ...found } = targetOf(config, env);
  const db = config.db ?? found.db ?? 0;
  if (found.db !== undefined && found.db !== db) throw refuse('db: not the database of the url; leave one of them out');
  if (target.kind === 'cluster' && db !== 0) throw refuse('db: a Cluster has database 0 only; leave db out');
  const { prefix = DEFAULT_PREFIX } = config;
  if (/[\s*?[\]\\\p{Cc}]/u.test(prefix)) {
    throw refuse('prefix: white space and * ? [ ] \\ are not allowed, as they mean something in ACL patterns');
  }
  const ttlMs = ttlOf(config.ttl);
  return {
    target,
    credentials: credentialsOf(config, '', env, found.credentials),
    ...(tls ? { tls: tlsFilesOf(config) } : {}),
    db,
    prefix,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    place: target.kind === 'single' ? formatAddress(target.address) : target.nodes.map(formatAddress).join(', '),
  };
}

/** Milliseconds; absent: for ever. Errors: ERR_CONFIG_INVALID. */
export function ttlOf(ttl: string | undefined): number | undefined {
  if (ttl === undefined) return undefined;
  const ms = parseDuration(ttl);
  if (ms !== undefined && ms >= LEAST_TTL_MS && Number.isSafeInteger(Math.round(ms))) return Math.round(ms);
  throw refuse('ttl: allowed: a duration of at least 1s: numbers with units (ms, s, m, h), as 24h or 1h30m');
}

interface Found {
  readonly target: Target;
  readonly tls: boolean;
  readonly credentials: { readonly username?: string; readonly password?: string };
  readonly db?: number;
}

function targetOf(config: RedisStoreConfig, env: Environment): Found {
  const { url, sentinels, cluster, tls } = config;
  const given = [url, sentinels, cluster].filter((way) => way !== undefined).length;
  if (given !== 1) throw refuse('give one of url (one server), sentinels (name and nodes) and cluster (nodes)');
  if (url !== undefined) {
    const { address, username, password, db, ...rest } = parseRedisUrl(url);
    if (tls !== undefined && tls !== rest.tls)
      throw refuse('tls: a url says it by its beginning: rediss:// or redis://');
    checkTlsKeys(config, rest.tls, 'a url that begins with rediss://');
    return {
      target: { kind: 'single', address },
      tls: rest.tls,
      credentials: {
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      },
      ...(db === undefined ? {} : { db }),
    };
  }
  checkTlsKeys(config, tls === true, 'tls: true');
  const list = (nodes: readonly string[], where: string, port: number) =>
    nodes.map((node, index) => parseNode(node, `${where}[${index}]`, port));
  if (sentinels !== undefined) {
    const nodes = list(sentinels.nodes, 'sentinels.nodes', SENTINEL_PORT);
    const credentials = credentialsOf(sentinels, 'sentinels.', env, {});
    const target: Target = { kind: 'sentinel', name: sentinels.name, nodes, credentials };
    return { target, tls: tls === true, credentials: {} };
  }
  const target: Target = { kind: 'cluster', nodes: list(cluster ?? [], 'cluster', DEFAULT_PORT) };
  return { target, tls: tls === true, credentials: {} };
}

function checkTlsKeys(config: RedisStoreConfig, tls: boolean, needed: string): void {
  const name = (['ca', 'cert', 'key', 'servername'] as const).find((key) => config[key] !== undefined);
  if (name !== undefined && !tls) throw refuse(`${name}: this is for TLS, which is asked for by ${needed}`);
  if ((config.cert === undefined) !== (config.key === undefined)) throw refuse('cert and key come together');
}

function tlsFilesOf({ ca, cert, key, servername }: RedisStoreConfig): TlsFiles {
  for (const [name, path] of Object.entries({ ca, cert, key })) {
    if (path !== undefined && !isAbsolute(path)) throw refuse(`${name}: write the absolute path of a file`);
  }
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function credentialsOf(
  config: RedisStoreConfig | SentinelsConfig,
  where: string,
  env: Environment,
  url: Found['credentials'],
): Credentials {
  const { password, password_file: file, password_env: variable } = config;
  const username = config.username ?? url.username;
  const given = [password, file, variable, url.password].filter((way) => way !== undefined).length;
  if (given > 1) {
    throw refuse(`${where}password: several at once; keep one of password, password_file, password_env and the url’s`);
  }
  const secret = secretOf(password ?? url.password, file, variable, where, env);
  if (username !== undefined && secret === undefined) throw refuse(`${where}username: it needs a password`);
  return {
    ...(username === undefined ? {} : { username }),
    ...(secret === undefined ? {} : { password: secret }),
  };
}

function secretOf(
  text: string | undefined,
  file: string | undefined,
  variable: string | undefined,
  where: string,
  env: Environment,
): Secret | undefined {
  if (file !== undefined) {
    if (isAbsolute(file)) return { file };
    const folder = env['CREDENTIALS_DIRECTORY'];
    if (folder !== undefined && folder !== '' && !file.includes('/')) return { file: join(folder, file) };
    throw refuse(`${where}password_file: write an absolute path (or, with $CREDENTIALS_DIRECTORY, a name in it)`);
  }
  if (variable === undefined) return text === undefined ? undefined : { text };
  const value = env[variable];
  if (value !== undefined && value !== '') return { text: value };
  throw refuse(`${where}password_env: there is no environment variable of this name, or it is empty`);
}
