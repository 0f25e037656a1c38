/** Snapshots as a table for people, as wide as their terminal where addresses allow. */
import type { PathKind } from '../paths/path-words.js';
import { count, cutMiddle, formatAge, formatMs, wrap } from '../runtime/terminal-text.js';
import { portMappingLines } from './port-mapping-status.js';
import type {
  Addresses,
  CandidateSnapshot,
  DeviceSnapshot,
  PeerSnapshot,
  Snapshot,
  StoreSnapshot,
} from './snapshot.js';
import { byUrgency, isMappingWell, remarks } from './status-remarks.js';
import { storeReadingLines } from './store-reading-status.js';

export interface StatusFormat {
  readonly colour?: boolean;
  /** The terminal's width. Default: 80. */
  readonly columns?: number | undefined;
  /** Peers that are shown; absent: all. */
  shows?(peer: PeerSnapshot): boolean;
}

const HEADINGS = ['PEER', 'PHASE', 'ENDPOINT', 'PATH', 'HANDSHAKE', 'RTT', 'RECORD'];
const NAME = 0;
const PHASE = 1;
const COLUMNS = 80;
/** A name is cut no shorter than this. */
const LEAST_NAME = 12;

/** ECMA-48 colours of phases; they differ by their words as well. */
const COLOURS: Readonly<Partial<Record<string, string>>> = {
  connected: '32',
  connecting: '33',
  waiting: '33',
  suspect: '31',
  'not on device': '31',
};

/** Lines with a newline each; `wallNow` in milliseconds since 1970. */
export function formatStatus(snapshots: readonly Snapshot[], wallNow: number, format: StatusFormat = {}): string {
  const tables = snapshots.flatMap((snapshot) =>
    snapshot.devices.map((device) => deviceLines(device, snapshot, wallNow, format)),
  );
  return [[summary(snapshots)], ...tables].map((lines) => `${lines.join('\n')}\n`).join('\n');
}

/** "3 devices, 498 of 500 peers connected, 2 stores, 1 down". */
export function summary(snapshots: readonly Snapshot[]): string {
  const devices = snapshots.flatMap((snapshot) => snapshot.devices);
  const peers = devices.flatMap((device) => device.peers);
  const connected = peers.filter(({ phase, present }) => present && phase === 'connected').length;
  const idle = peers.filter(({ phase, present }) => present && phase === 'idle').length;
  // A daemon of several devices tells of its stores in the snapshot of each.
  const stores = [
    ...new Map(snapshots.flatMap(({ pid, stores }) => stores.map((each) => [`${pid} ${each.name}`, each]))).values(),
  ];
  const down = stores.filter(({ state }) => state === 'down').length;
  const refusing = new Set(peers.flatMap(({ writeFault }) => writeFault?.store ?? [])).size;
  // What a record is worth is no fault of the store that holds it.
  const unread = peers.flatMap(({ readFault }) =>
    /^ERR_(RECORD|KEY)_/.test(readFault?.code ?? '') ? [] : (readFault?.store ?? []),
  );
  return [
    count(devices.length, 'device'),
    `${connected} of ${count(peers.length, 'peer')} connected`,
    ...(idle === 0 ? [] : [`${idle} idle`]),
    storesInWords(stores.length, down, refusing, new Set(unread).size),
  ].join(', ');
}

function storesInWords(all: number, down: number, refusing: number, unread: number): string {
  if (down > 0) return `${down} of ${count(all, 'store')} down`;
  if (refusing > 0) return `${refusing} of ${count(all, 'store')} cannot be written`;
  return unread > 0 ? `${unread} of ${count(all, 'store')} cannot be read` : `${count(all, 'store')} well`;
}

function deviceLines(
  device: DeviceSnapshot,
  snapshot: Snapshot,
  wallNow: number,
  format: StatusFormat,
): readonly string[] {
  const { columns = COLUMNS } = format;
  const remark = (text: string, indent: number): string[] =>
    wrap(text, columns - indent, 2).map((line) => ' '.repeat(indent) + line);
  const lines = [
    `${device.name}: ${about(device, wallNow)}`,
    `  stunmesh ${snapshot.stunmesh}, process ${snapshot.pid}, up for ${formatAge(wallNow - snapshot.startedAt)}`,
  ];
  const others = otherAddresses(device);
  if (others !== '') lines.push(...remark(`also told to peers: ${others}`, 2));
  if (!snapshot.clockSane)
    lines.push('  ! the clock of this host is not set; records are numbered on from the last ones');
  for (const error of device.errors) lines.push(...remark(`! ${error.of}: ${error.message} [${error.code}]`, 2));
  const peers = byUrgency(device).filter((peer) => format.shows?.(peer) ?? true);
  const mark = isMappingWell(device.portMapping, peers) ? '' : '! ';
  for (const line of portMappingLines(device.portMapping, wallNow)) lines.push(...remark(mark + line, 2));
  // How a store does matters while somebody is looked for.
  const wanting = device.peers.some(({ phase }) => phase !== 'connected' && phase !== 'idle');
  for (const store of snapshot.stores) {
    if (store.state === 'down') lines.push(...remark(storeLine(store, wallNow), 2));
    else if (wanting && store.note !== undefined) lines.push(...remark(`store "${store.name}": ${store.note}`, 2));
  }
  if (wanting) for (const line of storeReadingLines(device.stores, wallNow)) lines.push(...remark(line, 2));
  const rows = fitNames(
    peers.map((peer) => peerRow(peer, wallNow)),
    columns,
  );
  const print = createRowPrinter(rows, format.colour === true);
  if (rows.length > 0) lines.push(print(HEADINGS));
  for (const { from, to, texts } of groups(peers, device.state)) {
    for (const row of rows.slice(from, to)) lines.push(print(row));
    for (const text of texts)
      lines.push(...remark(to - from > 1 ? text.replace(/^(! )?/, `$1${to - from} peers: `) : text, 4));
  }
  return lines;
}

export function about(device: DeviceSnapshot, wallNow: number): string {
  if (device.state !== 'up') return device.state;
  const both = ({ ipv4, ipv6 }: Addresses) => [ipv4, ipv6].filter((text) => text !== undefined).join(' and ');
  const seen = both(device.reflexive);
  const { lastReflexive: last } = device;
  const unseen = last
    ? `no public address at present; last seen from outside as ${both(last)}, ${formatAge(wallNow - last.at)} ago`
    : 'no public address found yet';
  return `port ${device.listenPort}, ${seen === '' ? unseen : `seen from outside as ${seen}`}`;
}

const KINDS: Readonly<Partial<Record<CandidateSnapshot['type'], string>>> = {
  host: 'LAN',
  mapped: 'mapped by the router',
  configured: 'advertised',
};

/** Addresses besides those that STUN sees. */
export function otherAddresses({ candidates = [] }: DeviceSnapshot): string {
  return candidates
    .flatMap(({ type, endpoint }) => (KINDS[type] === undefined ? [] : [`${endpoint} (${KINDS[type]})`]))
    .join(', ');
}

/** Peers that follow each other and of whom the same is to be said: it is said once. */
function groups(
  peers: readonly PeerSnapshot[],
  state: DeviceSnapshot['state'],
): { from: number; to: number; texts: readonly string[] }[] {
  const found: { from: number; to: number; texts: readonly string[] }[] = [];
  peers.forEach((peer, i) => {
    const texts = remarks(peer, state);
    const last = found.at(-1);
    if (last && texts.length > 0 && last.texts.join('\n') === texts.join('\n')) last.to = i + 1;
    else found.push({ from: i, to: i + 1, texts });
  });
  return found;
}

/** Names give way where a row is wider than the terminal. */
function fitNames(rows: readonly (readonly string[])[], columns: number): readonly (readonly string[])[] {
  const widths = widthsOf(rows);
  const over = widths.reduce((sum, width) => sum + width + 2, 0) - columns;
  const most = Math.max(LEAST_NAME, (widths[NAME] ?? 0) - Math.max(0, over));
  return rows.map((row) => row.map((cell, i) => (i === NAME ? cutMiddle(cell, most) : cell)));
}

function createRowPrinter(rows: readonly (readonly string[])[], colour: boolean): (row: readonly string[]) => string {
  const widths = widthsOf(rows);
  // Padded first: a colour has no width.
  const paint = (cell: string, i: number): string => {
    const code = colour && i === PHASE ? COLOURS[cell.trimEnd()] : undefined;
    return code === undefined ? cell : `\u001b[${code}m${cell}\u001b[0m`;
  };
  return (row) => `  ${row.map((cell, i) => paint(cell.padEnd(widths[i] ?? 0), i)).join('  ')}`.trimEnd();
}

function widthsOf(rows: readonly (readonly string[])[]): readonly number[] {
  return HEADINGS.map((heading, i) =>
    rows.reduce((most, row) => Math.max(most, (row[i] ?? '').length), heading.length),
  );
}

function storeLine({ name, retryAt = 0, lastError }: StoreSnapshot, wallNow: number): string {
  const why = lastError === undefined ? '' : `: ${lastError.message} [${lastError.code}]`;
  return `! store "${name}" is down, and asked again in ${formatAge(retryAt - wallNow)}${why}`;
}

/** As narrow as can be. */
const PATH_COLUMN: Readonly<Record<PathKind, string>> = {
  lan: 'LAN',
  ipv6: 'IPv6',
  ipv4: 'IPv4',
  learnt: 'learnt',
  mapped: 'mapped',
  configured: 'advert.',
};

function peerRow(peer: PeerSnapshot, wallNow: number): readonly string[] {
  const age = (at: number | undefined) => (at === undefined ? '-' : formatAge(wallNow - at));
  const record = peer.record === undefined ? '-' : peer.record.t === undefined ? 'no time' : age(peer.record.t * 1000);
  const rttMs = peer.rttMs ?? peer.path?.rttMs;
  return [
    peer.name,
    peer.present ? peer.phase : 'not on device',
    peer.parked ? 'parked' : (peer.endpoint ?? '-'),
    peer.path ? PATH_COLUMN[peer.path.class] : '-',
    age(peer.latestHandshakeAt),
    rttMs === undefined ? '-' : formatMs(rttMs),
    record,
  ];
}
