/** The published cases for capture modules, over libpcap between two namespaces. */
import { after, before, test } from 'node:test';
import capture from '#src/index.js';
import { createConformanceLab } from './conformance-lab.js';
import { cannotRun, inNamespace } from './namespace.js';

const options = { skip: cannotRun ?? false, timeout: 120_000 };

if (inNamespace(import.meta.url)) {
  const lab = createConformanceLab();
  before(async () => {
    if (cannotRun === undefined) await lab.open();
  });
  after(() => lab.close());

  for (const family of [4, 6] as const)
    for (const { name, run } of lab.casesOf(capture, family))
      test(`capture-bsd, IPv${family}: ${name}`, options, async (t) => {
        const result = await run();
        if (result) t.skip(result.skipped);
      });
}
