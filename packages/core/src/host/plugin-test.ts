/** Tries a store out by the published cases, as `stunmesh plugin test` does, and cleans up where the store can delete. */
import { randomBytes } from 'node:crypto';
import { runTap, storeCases } from '../conformance/index.js';
import { oneLine } from './error-mapping.js';
import type { GuardedStore } from './guarded-store.js';
import type { PluginConfig } from './plugin-config.js';
import type { PluginHost } from './plugin-host.js';

/** How many keys a test writes to: where a store cannot delete they stay. */
const KEYS = 8;

/** A dual-stack record can have this many characters; every store has to keep them. */
export const LARGEST_PLAIN_RECORD = 258;

export interface PluginTestOptions {
  readonly host: PluginHost;
  readonly plugin: PluginConfig;
  /** Characters of the largest value that is tried; 258 where absent, as an exec plugin cannot say what it bears. */
  readonly maxValueBytes?: number;
  /** Takes whole lines of TAP. */
  write(text: string): void;
}

/** Resolves with the number of failed cases. Rejects when the plugin cannot be opened: ERR_PLUGIN_NOT_FOUND, ERR_PLUGIN_INVALID, ERR_CONFIG_INVALID. */
export async function testPlugin(options: PluginTestOptions): Promise<number> {
  const { host, plugin, write } = options;
  const keys = Array.from({ length: KEYS }, () => randomBytes(20).toString('hex'));
  const probe = await host.openStore(plugin);
  try {
    const most =
      options.maxValueBytes ?? (plugin.type === 'builtin' ? probe.traits.maxValueBytes : LARGEST_PLAIN_RECORD);
    const cases = storeCases({
      open: () => host.openStore(plugin),
      traits: { ...probe.traits, maxValueBytes: Math.min(most, probe.traits.maxValueBytes) },
      ...(plugin.type === 'builtin' ? {} : { absentCode: 'ERR_EXEC_FAILED' }),
      keys,
      many: KEYS / 2,
      patienceMs: plugin.timeoutMs * 2,
    });
    const failed = await runTap(cases, {
      write,
      describe: (error) => oneLine(error instanceof Error ? error.message : String(error)),
    });
    write(await cleanUp(probe, keys));
    return failed;
  } finally {
    await probe.close();
  }
}

/** Deletes the keys of the test where it can; says in TAP comments what became of them. */
async function cleanUp(store: GuardedStore, keys: readonly string[]): Promise<string> {
  const free = { signal: new AbortController().signal };
  const remaining: string[] = [];
  for (const key of keys) {
    const removed = await store.delete?.(key, free).then(
      () => true,
      () => false,
    );
    if (removed !== true) remaining.push(key);
  }
  if (remaining.length === 0) return `# ${keys.length} random keys were used, and deleted again\n`;
  const why = store.delete ? 'could not be deleted' : 'remain in the store, as it has no delete';
  return [`# ${remaining.length} random keys ${why}:`, ...remaining.map((key) => `#   ${key}`), ''].join('\n');
}
