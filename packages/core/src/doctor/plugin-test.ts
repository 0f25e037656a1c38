/** Tries a store out by the published cases, as `stunmesh plugin test` does, and cleans up where the store can delete. */
import { randomBytes } from 'node:crypto';
import { isStunmeshError, type Store, StunmeshError } from '../api/index.js';
import {
  type ExecProbe,
  type ExecTraits,
  execCases,
  execTraits,
  runHuman,
  runTap,
  storeCases,
} from '../conformance/index.js';
import type { PluginConfig } from '../host/plugin-config.js';
import type { PluginHost } from '../host/plugin-host.js';
import { oneLine, withoutSecrets } from '../store/error-mapping.js';
import type { GuardedStore } from '../store/guarded-store.js';

/** How many keys a test writes to: where a store cannot delete they stay. */
const KEYS = 8;

/** A dual-stack record can have this many characters; every store has to keep them. */
export const LARGEST_PLAIN_RECORD = 258;

export interface PluginTestOptions {
  readonly host: PluginHost;
  readonly plugin: PluginConfig;
  /** Characters of the largest value that is tried; 258 where absent, as an exec plugin cannot say what it bears. */
  readonly maxValueBytes?: number;
  /** TAP where absent. */
  readonly format?: 'tap' | 'human';
  /** Takes whole lines of the report. */
  write(text: string): void;
}

/** Resolves with the number of failed cases. Rejects when the plugin cannot be opened: ERR_PLUGIN_NOT_FOUND, ERR_PLUGIN_INVALID, ERR_CONFIG_INVALID,
 * ERR_EXEC_SPAWN or ERR_EXEC_FAILED (its program, or what that needs, is missing). */
export async function testPlugin(options: PluginTestOptions): Promise<number> {
  const { host, plugin, write } = options;
  const keys = Array.from({ length: KEYS }, () => randomBytes(20).toString('hex'));
  const store = await host.openStore(plugin);
  await refuseMissing(store, plugin);
  const probe = await host.openProbe(plugin);
  try {
    const protocol = plugin.settings['protocol'] === 1 ? 1 : 0;
    const program = protocol === 1 && probe ? await look(probe, store, plugin) : undefined;
    const speaks = plugin.type === 'builtin' || protocol === 1;
    const most = options.maxValueBytes ?? (speaks ? store.traits.maxValueBytes : LARGEST_PLAIN_RECORD);
    const cases = [
      ...(probe
        ? execCases({ probe, protocol, timeoutMs: plugin.timeoutMs, keys, parallel: store.traits.maxCalls ?? 8 })
        : []),
      ...storeCases({
        open: async () => without(await host.openStore(plugin), program),
        traits: { ...store.traits, maxValueBytes: Math.min(most, store.traits.maxValueBytes) },
        ...(speaks ? {} : { absentCode: 'ERR_EXEC_FAILED' }),
        keys,
        many: KEYS / 2,
        patienceMs: plugin.timeoutMs * 2,
      }),
    ];
    const run = options.format === 'human' ? runHuman : runTap;
    const failed = await run(cases, {
      write,
      describe: describeError,
    });
    const comment =
      options.format === 'human' ? (text: string) => text.replaceAll(/^# ?/gm, '') : (text: string) => text;
    if (plugin.type === 'exec') write(comment(`# ${aboutProtocol(protocol)}\n`));
    write(comment(await cleanUp(without(store, program), keys)));
    return failed;
  } finally {
    await probe?.[Symbol.asyncDispose]();
    await store.close();
  }
}

/** A program that cannot be started, or whose interpreter is missing, fails every case alike: once is enough. */
async function refuseMissing(store: GuardedStore, plugin: PluginConfig): Promise<void> {
  if (plugin.type === 'builtin') return;
  try {
    await store.get(randomBytes(20).toString('hex'), { signal: new AbortController().signal });
  } catch (error) {
    if (!isStunmeshError(error)) return;
    const missing = [126, 127].includes(Number(error.details['exitCode']));
    if (!missing && !(error.code === 'ERR_EXEC_SPAWN' && error.retry === 'never')) return;
    await store.close();
    const { code, message, retry } = error;
    // The store and the key of this one call say nothing to a reader.
    throw new StunmeshError(code, message.replace(/^store ".*?": get [0-9a-f]{40}: /, ''), { retry });
  }
}

/** Errors of ours are fit to be shown and end with the remedy, so they are not cut. */
function describeError(error: unknown): string {
  if (isStunmeshError(error)) return withoutSecrets(error.message).replace(/\s+/g, ' ');
  return oneLine(error instanceof Error ? error.message : String(error));
}

const aboutProtocol = (protocol: 0 | 1): string =>
  protocol === 1
    ? 'the program was tried as a plugin of exec protocol 1'
    : 'the program was tried as a plugin of exec protocol 0; for protocol 1 there is --protocol 1, or "protocol: 1" in the configuration';

/** What a plugin of protocol 1 can do, told to the store as well; undefined: it does not say, which a case reports. */
async function look(probe: ExecProbe, store: GuardedStore, plugin: PluginConfig): Promise<ExecTraits | undefined> {
  try {
    const traits = await execTraits(probe, plugin.timeoutMs);
    await store.describe?.({ signal: new AbortController().signal });
    return traits;
  } catch {
    return undefined;
  }
}

/** The store without what its program has no word for. */
function without(store: GuardedStore, traits: ExecTraits | undefined): GuardedStore {
  if (!traits) return store;
  const hidden: (keyof Store)[] = [
    ...(traits.delete ? [] : ['delete' as const]),
    ...(traits.watch ? [] : ['watch' as const]),
  ];
  return new Proxy(store, {
    get: (target, name) => (hidden.includes(name as keyof Store) ? undefined : Reflect.get(target, name, target)),
  });
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
