import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { storeCases } from '@stunmesh/core/conformance';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import fileStore from '#src/index.js';

const folder = await mkdtemp(join(tmpdir(), 'store-file-'));
after(() => rm(folder, { recursive: true, force: true }));

const components = { clock: createSystemClock(), logger: createMemoryLogger() };
const cases = storeCases({
  open: () => fileStore.open({ path: join(folder, 'records') }, components),
  openUnreachable: (given) => fileStore.open({ path: '/dev/null/at/all' }, { ...components, ...given }),
  openWith: (given) => fileStore.open({ path: join(folder, 'records') }, { ...components, ...given }),
  traits: fileStore.traits({ path: folder }),
});

for (const { name, run } of cases) {
  test(`store-file: ${name}`, async (t) => {
    const result = await run();
    if (result) t.diagnostic(`does not apply: ${result.skipped}`);
  });
}
