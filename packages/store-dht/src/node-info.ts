/** Nodes of the DHT in the compact form in which answers carry them (BEP 5, BEP 32), and their distance to a target. */
import type { Endpoint, Family } from '@stunmesh/core/api';

export interface NodeInfo {
  /** 20 bytes as 40 hex digits; what a node says of itself, and therefore worth little. */
  readonly id: string;
  readonly endpoint: Endpoint;
}

/** An answer carries eight; more than this of one answer are not looked at (F65). */
const MOST_OF_ONE_ANSWER = 16;
const ID_BYTES = 20;

/** The nodes of one answer; what is no node (port 0, cut off) is left out. */
export function parseNodes(bytes: Uint8Array, family: Family): NodeInfo[] {
  const size = ID_BYTES + (family === 4 ? 6 : 18);
  const nodes: NodeInfo[] = [];
  for (let at = 0; at + size <= bytes.length && nodes.length < MOST_OF_ONE_ANSWER; at += size) {
    const id = Buffer.from(bytes.subarray(at, at + ID_BYTES)).toString('hex');
    const address = bytes.subarray(at + ID_BYTES, at + size - 2);
    const port = (bytes[at + size - 2] ?? 0) * 256 + (bytes[at + size - 1] ?? 0);
    if (port > 0) nodes.push({ id, endpoint: { family, address: addressText(address), port } });
  }
  return nodes;
}

/** How far `id` is from `target`, both 40 hex digits: text that sorts like the distance (XOR, BEP 5). */
export function distance(id: string, target: string): string {
  const left = Buffer.from(id, 'hex');
  const right = Buffer.from(target, 'hex');
  return Buffer.from(left.map((byte, index) => byte ^ (right[index] ?? 0))).toString('hex');
}

function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let at = 0; at < bytes.length; at += 2)
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}
