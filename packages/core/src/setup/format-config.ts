/** A plan as a commented configuration file; pure. */
import type { FoundDevice, FoundPeer } from './found-device.js';
import { type Plan, pingTarget, type SettingValue } from './plan.js';

/** Everything in it comes back from loadConfig as it was planned. `secretFile`: where the store's secret was put. */
export function formatConfig(plan: Plan, secretFile?: string): string {
  const { devices, store, stunServers, protocol, ping, portMapping } = plan;
  const settings = { ...store.settings, ...(store.secret && secretFile ? { [store.secret.key]: secretFile } : {}) };
  const lines = [
    '# Configuration of stunmesh, written by "stunmesh init".',
    '# "stunmesh config check" says what is wrong with it, "stunmesh config schema --markdown" which keys there are.',
    '',
    '# Servers that tell this host its public address; two or three of different operators.',
    'stun:',
    '  addresses:',
    ...stunServers.map((server) => `    - ${scalar(server)}`),
    '',
    '# Where the sealed records lie. The other side needs the same place.',
    'plugins:',
    `  ${scalar(store.name)}:`,
    `    type: ${store.kind.type}`,
    ...(store.kind.type === 'builtin' ? [`    name: ${scalar(store.kind.name)}`] : []),
    ...Object.entries(settings).map(([key, value]) => `    ${key}: ${formatValue(value)}`),
    '',
    '# WireGuard devices and their peers. WireGuard keeps its own configuration; stunmesh sets endpoints and nothing else.',
    'interfaces:',
  ];
  for (const device of devices) lines.push(...deviceLines(device, { store: store.name, protocol, ping, portMapping }));
  if (devices.length === 0) lines[lines.length - 1] = 'interfaces: {}';
  return `${lines.join('\n')}\n`;
}

type PeerOptions = Pick<Plan, 'protocol' | 'ping' | 'portMapping'> & { readonly store: string };

function deviceLines(device: FoundDevice, options: PeerOptions): readonly string[] {
  const names = peerNames(device.peers);
  return [
    `  ${scalar(device.name)}:${device.publicKey === undefined ? '' : ` # our public key: ${device.publicKey}`}`,
    `    protocol: ${options.protocol}`,
    ...(options.portMapping
      ? ['    port_mapping: auto # the router is asked for a port, by which everybody may come in']
      : []),
    `    peers:${device.peers.length === 0 ? ' {}' : ''}`,
    ...device.peers.flatMap((peer, index) => peerLines(names[index] ?? '', peer, options)),
  ];
}

function peerLines(name: string, peer: FoundPeer, { store, protocol, ping }: PeerOptions): readonly string[] {
  const target = pingTarget(peer.allowedIps);
  const inside = peer.allowedIps.length === 0 ? 'none' : peer.allowedIps.join(', ');
  return [
    `      ${scalar(name)}: # allowed IPs: ${inside}`,
    `        public_key: ${scalar(peer.publicKey)}`,
    `        plugin: ${scalar(store)}`,
    `        protocol: ${protocol === 'dualstack' ? 'prefer_ipv4' : protocol}`,
    ...(target === undefined
      ? [
          '        # ping: { enabled: true, target: ADDRESS } with an address behind the tunnel notices a dead one within seconds',
        ]
      : [`        ping: { enabled: ${ping}, target: ${scalar(target)} }`]),
  ];
}

/** Names by comments of the file, else by the beginning of the key; no two alike. */
export function peerNames(peers: readonly FoundPeer[]): readonly string[] {
  const used = new Set<string>();
  return peers.map(({ name, publicKey }) => {
    const wanted = name?.replace(/\s+/g, '-') ?? `peer-${publicKey.replace(/[^A-Za-z0-9]/g, '').slice(0, 6)}`;
    let unique = wanted;
    for (let next = 2; used.has(unique.toLowerCase()); next += 1) unique = `${wanted}-${next}`;
    used.add(unique.toLowerCase());
    return unique;
  });
}

function formatValue(value: SettingValue): string {
  return typeof value === 'string' ? scalar(value) : `[${value.map(scalar).join(', ')}]`;
}

/** A text as YAML takes it for a text: plain where nothing could be taken for something else, else in JSON's quotes. */
function scalar(text: string): string {
  const plain = /^[A-Za-z/][A-Za-z0-9_./@+-]*$/.test(text) && !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}
