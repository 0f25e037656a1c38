/** The stores that `init` knows to ask for; any other is named by its package and given by --set. */

import { accessSync, constants } from 'node:fs';
import { isAbsolute } from 'node:path';

interface Question {
  readonly key: string;
  readonly question: string;
  readonly example: string;
  /** May be left empty. */
  readonly optional?: true;
  /** Why an answer will not do; undefined: it will. */
  check?(answer: string): string | undefined;
}

export interface StoreKind {
  readonly name: string;
  readonly type: 'builtin' | 'exec' | 'shell';
  readonly about: string;
  readonly questions: readonly Question[];
  /** The keys under which it takes its secret from a file and from the environment, and what to call it. */
  readonly secret?: { readonly file: string; readonly env: string; readonly word: string; readonly needed: boolean };
}

const absolute = (text: string) => (isAbsolute(text) ? undefined : `write an absolute path, such as /${text}`);
const program = (text: string) =>
  absolute(text) ?? (isRunnable(text) ? undefined : `${text} is not there, or may not be run`);
const redisUrl = (text: string) =>
  /^(?:rediss?|unix):\/\/\S+$/.test(text)
    ? undefined
    : 'write it with its scheme: redis://, rediss:// (TLS) or unix://';
const zone = (text: string) =>
  /^(?:[a-z0-9-]+\.)+[a-z0-9-]{2,}$/i.test(text) ? undefined : 'write the zone as a domain, such as example.com';

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export const STORE_KINDS: readonly StoreKind[] = [
  {
    name: 'dht',
    type: 'builtin',
    about: 'the network of BitTorrent clients: needs no place of your own',
    questions: [],
  },
  {
    name: 'file',
    type: 'builtin',
    about: 'a folder that all machines share (NFS, Syncthing, …)',
    questions: [
      { key: 'path', question: 'Folder that all machines share', example: '/mnt/shared/stunmesh', check: absolute },
    ],
  },
  {
    name: 'redis',
    type: 'builtin',
    about: 'a Redis server',
    questions: [
      {
        key: 'url',
        question: 'Address of the Redis server',
        example: 'rediss://redis.example.org:6379/0',
        check: redisUrl,
      },
      { key: 'username', question: 'User name (empty: none)', example: 'stunmesh', optional: true },
    ],
    secret: { file: 'password_file', env: 'password_env', word: 'password', needed: false },
  },
  {
    name: 'cloudflare',
    type: 'builtin',
    about: 'TXT records in a DNS zone at Cloudflare',
    questions: [
      { key: 'zone', question: 'Zone', example: 'example.com', check: zone },
      { key: 'subdomain', question: 'Subdomain for the records', example: 'wg', optional: true },
    ],
    secret: { file: 'token_file', env: 'token_env', word: 'token', needed: true },
  },
  {
    name: 'exec',
    type: 'exec',
    about: 'a program of your own that speaks the exec protocol',
    questions: [{ key: 'command', question: 'The program', example: '/usr/local/bin/my-store', check: program }],
  },
  {
    name: 'shell',
    type: 'shell',
    about: 'a shell script of your own',
    questions: [{ key: 'command', question: 'The script', example: '/usr/local/bin/my-store.sh', check: program }],
  },
];

/** A kind by its name; what is no kind is the name of a package. */
export function storeKind(name: string): StoreKind {
  return STORE_KINDS.find((kind) => kind.name === name) ?? { name, type: 'builtin', about: '', questions: [] };
}
