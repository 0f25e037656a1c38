/** What to do after `init`, on this host and on the other side; pure text for 80 columns where names allow. */
import { configFile } from '../config/folders.js';
import { wordsOf } from '../wireguard/platform.js';
import { dropInFor } from './drop-in.js';
import { peerNames } from './format-config.js';
import type { FoundDevice } from './found-device.js';
import type { Plan } from './plan.js';

export interface Written {
  /** The configuration. */
  readonly path: string;
  /** The store's secret, where one was written. */
  readonly secretPath?: string;
  /** The drop-in of the service, where one was written. */
  readonly dropInPath?: string;
  /** What the check of the written file had to remark. */
  readonly remarks: readonly string[];
}

export function formatNextSteps(plan: Plan, written: Written, platform: NodeJS.Platform = process.platform): string {
  const { devices, store } = plan;
  const { service } = wordsOf(platform);
  const option = written.path === configFile(platform) ? '' : ` -c ${written.path}`;
  const lines = [
    `Written: ${written.path} (only its owner may read it)`,
    ...(written.secretPath === undefined ? [] : [`         ${written.secretPath} (the same; it holds the secret)`]),
    ...written.remarks.map((remark) => `  ! ${remark}`),
    ...devices.flatMap(hints).map((hint) => `  ! ${hint}`),
    '',
    'On this host, try the store, then start:',
    `  stunmesh plugin test ${store.name}${option}`,
    `  stunmesh${option}`,
    '  stunmesh status',
    ...(service && option === '' ? ['', 'Or as a service:', `  ${service.enable}`] : []),
    ...folderRemark(plan, written, platform),
    '',
    'On the other side, for each peer: WireGuard there must have this host as a peer,',
    'by its public key, and stunmesh there the same store:',
    '',
    `  stunmesh init ${storeFlags(plan).join(' \\\n      ')}`,
    ...secretRemark(plan),
  ];
  for (const device of devices) lines.push('', ...deviceLines(device));
  return `${lines.join('\n')}\n`;
}

/** systemd's unit lets the service write to its own folders alone. */
function folderRemark(plan: Plan, written: Written, platform: NodeJS.Platform): readonly string[] {
  const lines = dropInFor(plan, platform);
  if (lines === undefined) return [];
  if (written.dropInPath !== undefined)
    return [`  (${written.dropInPath} lets it write to the folder: systemctl daemon-reload)`];
  const [, setting] = lines.split('\n');
  return ['  (under systemd: systemctl edit stunmesh, and there below [Service]:', `  ${setting})`];
}

/** Every flag but the secret: that is brought there by another way. */
function storeFlags({ store, protocol }: Plan): readonly string[] {
  const secrets = [store.kind.secret?.file, store.kind.secret?.env];
  const settings = Object.entries(store.settings).filter(([key]) => !secrets.includes(key));
  return [
    `--store ${store.kind.name}`,
    ...(store.name === 'shared' ? [] : [`--store-name ${store.name}`]),
    ...settings.flatMap(([key, value]) => [value].flat().map((one) => `--set ${quote(`${key}=${one}`)}`)),
    ...(protocol === 'ipv4' ? [] : [`--protocol ${protocol}`]),
  ];
}

function secretRemark({ store: { kind, secret, settings } }: Plan): readonly string[] {
  if (!kind.secret) return [];
  const used = secret ?? settings[kind.secret.file] ?? settings[kind.secret.env];
  return used === undefined ? [] : [`  (it asks for the ${kind.secret.word}, or reads it by --secret-stdin)`];
}

function deviceLines({ name, publicKey, addresses = [], peers }: FoundDevice): readonly string[] {
  const names = peerNames(peers);
  const own = addresses.map((address) => `${address}/${address.includes(':') ? 128 : 32}`).join(', ');
  return [
    `${name}: this host as a peer, for WireGuard's file on the other side:`,
    '  [Peer]',
    publicKey === undefined
      ? `  # PublicKey = what "wg show ${name} public-key" shows here (it is not in the file)`
      : `  PublicKey = ${publicKey}`,
    own === '' ? '  # AllowedIPs = the address of this host inside the tunnel' : `  AllowedIPs = ${own}`,
    '  PersistentKeepalive = 25',
    ...(peers.length === 0 ? [] : ['its peers, whose own public keys these are:']),
    ...peers.map((peer, index) => `  ${(names[index] ?? '').padEnd(16)} ${peer.publicKey}`),
  ];
}

/** What of WireGuard's own settings gets in the way. */
function hints({ name, listenPort, peers }: FoundDevice): readonly string[] {
  const silent = peers.filter(({ keepaliveSeconds }) => keepaliveSeconds === 0).length;
  return [
    ...(peers.length === 0 ? [`${name} has no peers; add them to WireGuard, and then here`] : []),
    ...(listenPort === 0 ? [`${name} has no ListenPort; without one its port changes whenever it comes up`] : []),
    ...peers.flatMap(({ hasEndpoint }, index) =>
      hasEndpoint
        ? [
            `${name}: "${peerNames(peers)[index]}" has an Endpoint in its file, which comes back whenever the device comes up; stunmesh replaces it where no tunnel comes about by it (a fixed address may stay)`,
          ]
        : [],
    ),
    ...(silent > 0
      ? [`${name}: ${silent} of ${peers.length} peers without PersistentKeepalive (25 keeps a NAT open)`]
      : []),
  ];
}

/** For a POSIX shell. */
function quote(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
