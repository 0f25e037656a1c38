import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { storeCases } from '@stunmesh/core/conformance';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import execStore, { type ExecStoreConfig } from '#src/index.js';

const folder = await mkdtemp(join(tmpdir(), 'store-exec-'));
after(() => rm(folder, { recursive: true, force: true }));

const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));
const components = { clock: createSystemClock(), logger: createMemoryLogger() };

for (const [type, name] of [
  ['shell', 'folder-store.sh'],
  ['exec', 'folder-store-json.sh'],
  ['exec', 'folder_store.py'],
] as const) {
  const config: ExecStoreConfig = { type, command: example(name), args: [join(folder, name)] };
  const cases = storeCases({
    open: () => execStore.open(config, components),
    openUnreachable: () => execStore.open({ type, command: '/no/such/program' }, components),
    openWith: (given) => execStore.open(config, { ...components, ...given }),
    traits: execStore.traits(config),
    many: 6,
  });
  for (const each of cases) {
    test(`store-exec, example ${name}: ${each.name}`, async (t) => {
      const result = await each.run();
      if (result) t.diagnostic(`does not apply: ${result.skipped}`);
    });
  }
}
