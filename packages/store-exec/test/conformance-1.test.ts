import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Store } from '@stunmesh/core/api';
import { type ConformanceCase, type ExecTraits, execCases, execTraits, storeCases } from '@stunmesh/core/conformance';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import execStore, { type ExecStoreConfig } from '#src/index.js';

const folder = await mkdtemp(join(tmpdir(), 'store-exec-'));
after(() => rm(folder, { recursive: true, force: true }));

const clock = createSystemClock();
const components = { clock, logger: createMemoryLogger() };
const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));

/** The path of the program, or why there is none. */
function build(name: string): { readonly command: string } | { readonly skipped: string } {
  if (!name.endsWith('.c')) return { command: example(name) };
  const command = join(folder, 'from-c');
  try {
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', command, example(name)], { stdio: 'pipe' });
    return { command };
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: Buffer };
    if (code === 'ENOENT') return { skipped: 'needs cc' };
    throw new Error(`cc: ${String(stderr)}`, { cause: error });
  }
}

/** As `stunmesh plugin test` does: what the plugin has no word for is not there. */
function without(store: Store, traits: ExecTraits): Store {
  if (!traits.delete) delete store.delete;
  if (!traits.watch) delete store.watch;
  if (!traits.many) {
    delete store.getMany;
    delete store.setMany;
  }
  return store;
}

/** A program that does what the one in C does, with the same traits, and passes the same cases, is no other store; Node starts slowly. */
const SAME_TRAITS = new Set(['folder-store.mjs']);

for (const name of ['folder-store-1.sh', 'folder_store.c', 'folder-store.mjs', 'watching_store.py']) {
  const built = build(name);
  if ('skipped' in built) {
    test(`store-exec, protocol 1, example ${name}`, (t) => t.skip(built.skipped));
    continue;
  }
  const config: ExecStoreConfig = { type: 'exec', protocol: 1, command: built.command, args: [join(folder, name)] };
  const probe = execStore.probe(config, components);
  after(() => probe[Symbol.asyncDispose]());
  const timeoutMs = 20_000;
  const traits = await execTraits(probe, timeoutMs);
  const ofStore = SAME_TRAITS.has(name)
    ? []
    : storeCases({
        open: async () => without(await execStore.open(config, components), traits),
        openUnreachable: () => execStore.open({ ...config, command: '/no/such/program' }, components),
        openWith: async (given) => without(await execStore.open(config, { ...components, ...given }), traits),
        traits: execStore.traits(config),
        many: 6,
      });
  const cases: readonly ConformanceCase[] = [...execCases({ probe, protocol: 1, timeoutMs }), ...ofStore];
  for (const each of cases) {
    test(`store-exec, protocol 1, example ${name}: ${each.name}`, async (t) => {
      const result = await each.run();
      if (result) t.diagnostic(`does not apply: ${result.skipped}`);
    });
  }
}
