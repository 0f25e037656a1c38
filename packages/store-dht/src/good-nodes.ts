/** Nodes that answered lately, kept in the store's folder over restarts, so that a start needs no bootstrap. */
import { readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { distance, type NodeInfo } from './node-info.js';

const MOST = 64;
const MOST_FILE_BYTES = 65_536;
const SAVE_GAP_MS = 300_000;

export interface GoodNodes {
  /** The nearest to a target, at most `count`. */
  near(target: string, count: number): readonly NodeInfo[];
  answered(nodes: readonly NodeInfo[]): void;
  silent(node: NodeInfo): void;
  readonly size: number;
  /** Reads what an earlier process left; once. Never rejects. */
  load(): Promise<void>;
  /** Writes when that is due, and waits for what is being written; never rejects. */
  save(now: number, last?: 'last'): Promise<void>;
}

/** `folder` absent, or rejecting: nothing is remembered. */
export function createGoodNodes(folder: (() => Promise<string>) | undefined): GoodNodes {
  const fileOf = async (): Promise<string | undefined> => {
    try {
      return folder && join(await folder(), 'nodes.json');
    } catch {
      return undefined;
    }
  };
  /** By address and port; the last in is the one that answered last. */
  const nodes = new Map<string, NodeInfo>();
  let loaded: Promise<void> | undefined;
  let savedAt: number | undefined;
  let changed = false;
  let saving = Promise.resolve();

  /** Never rejects. */
  const write = async (): Promise<void> => {
    const file = await fileOf();
    if (file === undefined) return;
    const fresh = `${file}.tmp`;
    try {
      await writeFile(fresh, JSON.stringify({ version: 1, nodes: [...nodes.values()] }), { mode: 0o600 });
      await rename(fresh, file);
    } catch {
      // Only the next start is slower for it.
      await unlink(fresh).catch(() => {});
    }
  };

  const put = (node: NodeInfo): void => {
    const key = keyOf(node);
    nodes.delete(key);
    nodes.set(key, node);
    const oldest = nodes.size > MOST ? nodes.keys().next().value : undefined;
    if (oldest !== undefined) nodes.delete(oldest);
  };

  return {
    near(target, count) {
      const ranked = [...nodes.values()].map((node) => ({ node, rank: distance(node.id, target) }));
      ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
      return ranked.slice(0, count).map(({ node }) => node);
    },
    answered(found) {
      for (const node of found) put(node);
      changed ||= found.length > 0;
    },
    silent(node) {
      changed = nodes.delete(keyOf(node)) || changed;
    },
    get size() {
      return nodes.size;
    },
    load() {
      loaded ??= (async () => {
        const file = await fileOf();
        if (file === undefined) return;
        const bytes = await readFile(file).catch(() => undefined);
        if (bytes && bytes.length <= MOST_FILE_BYTES) for (const node of parse(bytes.toString('utf8'))) put(node);
      })();
      return loaded;
    },
    async save(now, last) {
      const due = changed && (last || savedAt === undefined || now - savedAt >= SAVE_GAP_MS);
      if (due) {
        savedAt = now;
        changed = false;
        saving = saving.then(write);
      }
      await saving;
    },
  };
}

function keyOf({ endpoint }: NodeInfo): string {
  return `${endpoint.address} ${endpoint.port}`;
}

function parse(text: string): NodeInfo[] {
  try {
    const { nodes } = JSON.parse(text) as { nodes?: unknown };
    return Array.isArray(nodes) ? nodes.filter(isNode).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function isNode(value: unknown): value is NodeInfo {
  const { id, endpoint } = (value ?? {}) as Partial<NodeInfo>;
  if (typeof id !== 'string' || !/^[0-9a-f]{40}$/.test(id)) return false;
  const { family, address, port } = (endpoint ?? {}) as Partial<NodeInfo['endpoint']>;
  return family === 4 && typeof address === 'string' && Number.isInteger(port) && (port as number) > 0;
}
