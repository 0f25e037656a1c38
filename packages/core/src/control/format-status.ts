/** A snapshot as a table for people, 80 columns where addresses allow. */
import { formatAge, wrap } from '../runtime/terminal-text.js';
import type { DeviceSnapshot, PeerSnapshot, Snapshot, StoreSnapshot } from './snapshot.js';

const HEADINGS = ['PEER', 'PHASE', 'ENDPOINT', 'HANDSHAKE', 'RTT', 'RECORD'];
const PHASE = 1;

/** What an operator can do in each phase that is not well. */
const ADVICE: Readonly<Partial<Record<PeerSnapshot['phase'], string>>> = {
  waiting: 'no record of the peer yet: start stunmesh there, with the same store and our public key',
  connecting:
    'no answer at this endpoint so far: is stunmesh running there, and does its WireGuard have our public key?',
  suspect: 'the tunnel went silent and is being connected again',
};
/** ECMA-48 colours of phases; they differ by their words as well. */
const COLOURS: Readonly<Partial<Record<string, string>>> = {
  connected: '32',
  connecting: '33',
  waiting: '33',
  suspect: '31',
  'not on device': '31',
};
const COLUMNS = 80;

/** A phase that is over sooner needs no advice. */
const ADVISE_AFTER_MS = 10_000;

/** Lines with a newline each; `wallNow` in milliseconds since 1970. */
export function formatStatus(snapshot: Snapshot, wallNow: number, colour = false): string {
  const tables = snapshot.devices.map((device) => deviceLines(device, snapshot, wallNow, colour));
  return tables.map((lines) => `${lines.join('\n')}\n`).join('\n');
}

function deviceLines(device: DeviceSnapshot, snapshot: Snapshot, wallNow: number, colour: boolean): readonly string[] {
  const { ipv4, ipv6 } = device.reflexive;
  const seen = [ipv4, ipv6].filter((text) => text !== undefined).join(' and ');
  const about =
    device.state === 'missing'
      ? 'missing'
      : `port ${device.listenPort}, ${seen === '' ? 'no public address found yet' : `seen from outside as ${seen}`}`;
  const lines = [
    `${device.name}: ${about}`,
    `  stunmesh ${snapshot.stunmesh}, process ${snapshot.pid}, up for ${formatAge(wallNow - snapshot.startedAt)}`,
  ];
  if (!snapshot.clockSane)
    lines.push('  ! the clock of this host is not set; records are numbered on from the last ones');
  for (const error of device.errors) lines.push(...remark(`! ${error.of}: ${error.message} [${error.code}]`, 2));
  for (const store of snapshot.stores) if (store.state === 'down') lines.push(...remark(storeLine(store, wallNow), 2));
  const rows = device.peers.map((peer) => peerRow(peer, wallNow));
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map((row) => (row[i] ?? '').length)));
  // Padded first: a colour has no width.
  const paint = (cell: string, i: number): string => {
    const code = colour && i === PHASE ? COLOURS[cell.trimEnd()] : undefined;
    return code === undefined ? cell : `\u001b[${code}m${cell}\u001b[0m`;
  };
  const format = (row: readonly string[]) =>
    `  ${row.map((cell, i) => paint(cell.padEnd(widths[i] ?? 0), i)).join('  ')}`.trimEnd();
  if (rows.length > 0) lines.push(format(HEADINGS));
  device.peers.forEach((peer, i) => {
    lines.push(format(rows[i] ?? []));
    lines.push(...remarks(peer).flatMap((text) => remark(text, 4)));
  });
  return lines;
}

/** A line or more below a row; what goes on is set in further. */
function remark(text: string, indent: number): string[] {
  return wrap(text, COLUMNS - indent, 2).map((line) => ' '.repeat(indent) + line);
}

function storeLine({ name, retryAt = 0, lastError }: StoreSnapshot, wallNow: number): string {
  const why = lastError === undefined ? '' : `: ${lastError.message} [${lastError.code}]`;
  return `! store "${name}" is down, and asked again in ${formatAge(retryAt - wallNow)}${why}`;
}

function peerRow(peer: PeerSnapshot, wallNow: number): readonly string[] {
  const age = (at: number | undefined) => (at === undefined ? '-' : formatAge(wallNow - at));
  const record = peer.record === undefined ? '-' : peer.record.t === undefined ? 'no time' : age(peer.record.t * 1000);
  return [
    peer.name,
    peer.present ? peer.phase : 'not on device',
    peer.endpoint ?? '-',
    age(peer.latestHandshakeAt),
    peer.rttMs === undefined ? '-' : `${peer.rttMs < 10 ? peer.rttMs.toFixed(1) : Math.round(peer.rttMs)} ms`,
    record,
  ];
}

function remarks(peer: PeerSnapshot): readonly string[] {
  const lines: string[] = [];
  if (peer.published && peer.published.omitted.length > 0)
    lines.push(`our record leaves out ${peer.published.omitted.join(', ')}: the store takes no more`);
  if (peer.lastError) lines.push(`! ${peer.lastError.message} [${peer.lastError.code}]`);
  else if (peer.present && (peer.phase !== 'connecting' || peer.phaseForMs >= ADVISE_AFTER_MS) && ADVICE[peer.phase])
    lines.push(`! ${ADVICE[peer.phase]}`);
  return lines;
}
