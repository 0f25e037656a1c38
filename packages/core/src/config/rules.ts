/** What no schema can say: references between keys, and what is refused with the way out. */
import { parseAddress, refusedAddress } from '../net/address.js';
import { parseEndpoint } from '../net/endpoint.js';
import { MOST_PROBLEMS, type Problem } from './explain.js';
import { createResolveName, type ResolveName } from './resolve-name.js';
import { suggest } from './suggest.js';
import type { Path } from './types.js';

type Members = Readonly<Record<string, unknown>>;

/** Of a list of what is defined so many are named. */
const MOST_NAMED = 20;

interface Plugins {
  readonly names: readonly string[];
  readonly find: ResolveName;
}

/** Looks at a coerced file, valid or not, so that all problems are reported at once (but no more than MOST_PROBLEMS and one). */
export function checkRules(raw: unknown): Problem[] {
  const problems: Problem[] = [];
  for (const problem of findProblems(members(raw))) {
    problems.push(problem);
    if (problems.length > MOST_PROBLEMS) break;
  }
  return problems;
}

function* findProblems(file: Members): Generator<Problem> {
  const plugins = members(file['plugins']);
  yield* checkStun(members(file['stun']));
  yield* checkMetrics(members(file['metrics']));
  for (const [name, plugin] of Object.entries(plugins)) yield* checkPlugin(['plugins', name], members(plugin));
  const names = Object.keys(plugins);
  const defined = { names, find: createResolveName(names) };
  for (const [name, entry] of Object.entries(members(file['interfaces'])))
    yield* checkInterface(['interfaces', name], members(entry), defined);
}

function members(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
}

/** A list that is there but empty is a mistake; an absent one means the default server. */
function checkStun(stun: Members): Problem[] {
  const list = stun['addresses'];
  if (!Array.isArray(list) || stun['address'] || list.some((address) => address !== '')) return [];
  return [{ path: ['stun', 'addresses'], what: 'no server', allowed: 'at least one host:port, or leave the key out' }];
}

/** Metrics name peers and tell when they are there: nothing for everybody on the network. */
function checkMetrics({ listen, remote, page }: Members): Problem[] {
  if (page === true && listen === undefined)
    return [
      {
        path: ['metrics', 'page'],
        what: 'there is no address to serve it at',
        allowed: 'metrics.listen beside it, such as 127.0.0.1:9586',
      },
    ];
  const endpoint = typeof listen === 'string' ? parseEndpoint(listen) : undefined;
  const bytes = endpoint && parseAddress(endpoint.address);
  if (!bytes || remote === true || refusedAddress(bytes) === 'loopback') return [];
  return [
    {
      path: ['metrics', 'listen'],
      what: `${JSON.stringify(listen)} is no loopback address`,
      allowed:
        'an address such as 127.0.0.1:9586 or [::1]:9586, or remote: true beside it where others may read metrics',
    },
  ];
}

function checkPlugin(path: Path, plugin: Members): Problem[] {
  if (plugin['type'] !== 'builtin' || String(plugin['name']).toLowerCase() !== 'opendht') return [];
  return [
    {
      path: [...path, 'name'],
      what: 'there is no built-in opendht',
      allowed: 'an OpenDHT proxy is served by an exec plugin: type: exec and command: the program',
    },
  ];
}

function* checkInterface(path: Path, entry: Members, plugins: Plugins): Generator<Problem> {
  if (members(entry['proxy'])['enabled'] === true)
    yield {
      path: [...path, 'proxy', 'enabled'],
      what: 'there is no proxy mode',
      allowed:
        "raw capture takes its place (see the key capture): set it to false, or leave proxy out, and WireGuard's own port is used",
    };
  yield* checkLan(path, entry['lan']);
  const keys = new Map<string, Path>();
  for (const [name, value] of Object.entries(members(entry['peers']))) {
    const peer = members(value);
    const place = [...path, 'peers', name];
    yield* checkReferences(place, peer['plugin'], plugins);
    yield* checkPing(place, members(peer['ping']));
    const key = typeof peer['public_key'] === 'string' ? peer['public_key'].trim() : '';
    if (keys.has(key))
      yield {
        path: [...place, 'public_key'],
        what: `the same key as that of ${JSON.stringify(keys.get(key)?.at(-1))}`,
        allowed: 'each peer of an interface has a key of its own',
      };
    else if (key !== '') keys.set(key, place);
  }
}

/** A word stands alone. */
function checkLan(path: Path, lan: unknown): Problem[] {
  if (!Array.isArray(lan) || lan.length < 2) return [];
  const word = lan.find((one) => one === 'true' || one === 'false');
  if (word === undefined) return [];
  return [
    {
      path: [...path, 'lan'],
      what: `${word} beside other values`,
      allowed: "true, false, or a list of prefixes (which are tried in addition to this host's own links)",
    },
  ];
}

function* checkReferences(place: Path, used: unknown, plugins: Plugins): Generator<Problem> {
  if (!Array.isArray(used)) return;
  for (const [at, name] of used.entries()) {
    if (typeof name !== 'string' || name === '' || plugins.find(name) !== undefined) continue;
    yield {
      path: [...place, 'plugin', ...(used.length > 1 ? [at] : [])],
      what: `no plugin ${JSON.stringify(name)} is defined`,
      allowed: allowedNames(plugins.names),
      suggestion: suggest(name, plugins.names),
    };
  }
}

function allowedNames(names: readonly string[]): string {
  if (names.length === 0) return 'plugins defines none';
  const more = names.length > MOST_NAMED ? `, and ${names.length - MOST_NAMED} more` : '';
  return `defined: ${names.slice(0, MOST_NAMED).join(', ')}${more}`;
}

function checkPing(place: Path, ping: Members): Problem[] {
  if (ping['enabled'] !== true || ping['target']) return [];
  return [
    {
      path: [...place, 'ping', 'target'],
      what: 'missing',
      allowed: 'ping.enabled needs an address or a name behind the tunnel, as target: 10.0.0.2',
    },
  ];
}
