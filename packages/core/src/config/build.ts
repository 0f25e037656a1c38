/** From a valid file to the Config that the program works with. */

import { parseDuration } from '../api/index.js';
import { type PublicKey, parsePublicKey } from '../api/keys.js';
import { parsePrefix } from '../net/address.js';
import { parseEndpoint } from '../net/endpoint.js';
import { foldersOf } from './folders.js';
import { createResolveName, type ResolveName } from './resolve-name.js';
import { DEFAULT_STUN_SERVER, type RawConfig } from './schema.js';
import type { Config, InterfaceConfig, LogLevel, PeerConfig, PluginConfig } from './types.js';

type RawInterface = RawConfig['interfaces'][string];
type RawPeer = RawInterface['peers'][string];
type RawPlugin = RawConfig['plugins'][string];

interface Context {
  readonly ping: Config['pingMonitor'];
  readonly pluginOf: ResolveName;
}

/** NATs forget a mapping after 30 s at the earliest (most after 2 minutes: RFC 4787, REQ-5). */
const MAPPING_CHECK_MS = 30_000;

/** `raw` was validated, so nothing here can fail. */
export function buildConfig(raw: RawConfig, file: string): Config {
  const pingMonitor = {
    intervalMs: milliseconds(raw.ping_monitor.interval),
    timeoutMs: milliseconds(raw.ping_monitor.timeout),
    fixedRetries: raw.ping_monitor.fixed_retries,
  };
  const context = { ping: pingMonitor, pluginOf: createResolveName(Object.keys(raw.plugins)) };
  return {
    file,
    refreshIntervalMs: milliseconds(raw.refresh_interval),
    log: { level: levelOf(raw.log.level), format: raw.log.format },
    stun: { addresses: stunServers(raw.stun) },
    pingMonitor,
    interfaces: mapEntries(raw.interfaces, (entry, name) => buildInterface(entry, name, context)),
    plugins: mapEntries(raw.plugins, buildPlugin),
    capture: raw.capture,
    runDir: raw.run_dir ?? foldersOf().run,
    stateDir: raw.state_dir ?? foldersOf().state,
    ...buildMetrics(raw.metrics),
    renew: raw.renew,
    natCheck: raw.nat_check,
    mappingCheckMs: raw.mapping_check ? MAPPING_CHECK_MS : 0,
  };
}

function buildMetrics({ listen, page }: RawConfig['metrics']): Pick<Config, 'metrics'> {
  const endpoint = listen === undefined ? undefined : parseEndpoint(listen);
  return endpoint ? { metrics: { listen: endpoint, page } } : {};
}

function buildInterface(raw: RawInterface, name: string, context: Context): InterfaceConfig {
  return {
    name,
    protocol: raw.protocol,
    peers: mapEntries(raw.peers, (peer, peerName) => buildPeer(peer, peerName, context)),
    listenInterfaces: unique(raw.listen_interfaces ?? []),
    listenDefaultRoute: raw.listen_default_route,
    lan: buildLan(raw.lan),
    advertise: unique(raw.advertise ?? []),
    checkListen: raw.check_listen,
    upgrade: raw.upgrade,
    portMapping: buildPortMapping(raw.port_mapping),
    hardNat: raw.hard_nat,
    ...(raw.proxy.fib === undefined ? {} : { fib: raw.proxy.fib }),
  };
}

function buildPortMapping(raw: RawInterface['port_mapping'] = ['off']): InterfaceConfig['portMapping'] {
  const all = ['pcp', 'nat-pmp', 'upnp'] as const;
  return raw.includes('off') ? [] : all.filter((protocol) => raw.includes('auto') || raw.includes(protocol));
}

/** One word, or prefixes. */
function buildLan(raw: readonly string[] = []): InterfaceConfig['lan'] {
  const [first = 'true'] = raw;
  if (first === 'true' || first === 'false') return first === 'true';
  return raw.flatMap((text) => parsePrefix(text) ?? []);
}

function buildPeer(raw: RawPeer, name: string, { ping, pluginOf }: Context): PeerConfig {
  const { enabled, target, interval, timeout } = raw.ping;
  return {
    name,
    publicKey: canonicalKey(raw.public_key),
    plugins: unique(raw.plugin.map((reference) => pluginOf(reference) ?? reference)),
    protocol: raw.protocol,
    ...(raw.description === undefined ? {} : { description: raw.description }),
    ...(raw.hard_nat === undefined ? {} : { hardNat: raw.hard_nat }),
    ping: {
      enabled,
      ...(target ? { target } : {}),
      intervalMs: interval === undefined ? ping.intervalMs : milliseconds(interval),
      timeoutMs: timeout === undefined ? ping.timeoutMs : milliseconds(timeout),
    },
  };
}

function buildPlugin(raw: RawPlugin, name: string): PluginConfig {
  const { type, timeout, dedup: _, ...rest } = raw;
  const host = { name, type, timeoutMs: milliseconds(timeout) };
  if (type !== 'builtin') return { ...host, settings: rest };
  const { name: module, ...settings } = rest as { name: string };
  return { ...host, module, settings };
}

function levelOf(level: RawConfig['log']['level']): LogLevel {
  if (level === 'panic') return 'fatal';
  return level === 'disabled' ? 'silent' : level;
}

function stunServers(stun: RawConfig['stun']): string[] {
  const addresses = unique([stun.address ?? '', ...(stun.addresses ?? [])].filter((address) => address !== ''));
  return addresses.length === 0 ? [DEFAULT_STUN_SERVER] : addresses;
}

/** Other programs tolerate stray bits in the last character; wg(8) and we write it one way only. */
function canonicalKey(text: string): PublicKey {
  const key = parsePublicKey(Buffer.from(text, 'base64').toString('base64'));
  if (key === undefined) throw new TypeError('a public key that was not validated');
  return key;
}

function milliseconds(text: string): number {
  return parseDuration(text) ?? Number.NaN;
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)];
}

function mapEntries<T, U>(from: Readonly<Record<string, T>>, make: (value: T, name: string) => U): Map<string, U> {
  return new Map(Object.entries(from).map(([name, value]) => [name, make(value, name)]));
}
