/** A snapshot as lines for people. */
import type { PeerSnapshot, Snapshot } from './snapshot.js';

/** Lines with a newline each; `wallNow` in milliseconds since 1970. */
export function formatStatus(snapshot: Snapshot, wallNow: number): string {
  const lines: string[] = [];
  for (const device of snapshot.devices) {
    const { ipv4, ipv6 } = device.reflexive;
    const seen = [ipv4, ipv6].filter((text) => text !== undefined).join(', ') || 'no reflexive address yet';
    lines.push(`${device.name}: ${device.state === 'up' ? `port ${device.listenPort}, seen as ${seen}` : 'missing'} (stunmesh ${snapshot.stunmesh}, process ${snapshot.pid})`);
    for (const error of device.errors) lines.push(`  ! ${error.of}: ${error.message} [${error.code}]`);
    for (const peer of device.peers) lines.push(...peerLines(peer, wallNow));
  }
  return `${lines.join('\n')}\n`;
}

function peerLines(peer: PeerSnapshot, wallNow: number): readonly string[] {
  const age = (at: number) => `${Math.max(0, Math.round((wallNow - at) / 1000))} s ago`;
  const handshake = peer.latestHandshakeAt === undefined ? 'no handshake yet' : `handshake ${age(peer.latestHandshakeAt)}`;
  const record = peer.record ? `record ${peer.record.t === undefined ? 'without time' : `of ${age(peer.record.t * 1000)}`}` : 'no record';
  const lines = [`  ${peer.name}: ${peer.phase}, ${peer.endpoint ?? 'no endpoint'}, ${handshake}, ${record}`];
  if (peer.published && peer.published.omitted.length > 0) lines.push(`    our record leaves out ${peer.published.omitted.join(', ')}: the store takes no more`);
  if (peer.lastError) lines.push(`    ! ${peer.lastError.message} [${peer.lastError.code}]`);
  return lines;
}
