/** The published cases for capture modules, by /dev/bpf: with the numbers and structures of Linux, FreeBSD and macOS (addon-lab.ts). */
import { after, before, test } from 'node:test';
import { createCapture } from '#src/index.js';
import { cannotCapture, emulatedAddon, foreignAddon, inOwnNamespace } from './addon-lab.js';
import { createConformanceLab } from './conformance-lab.js';

const options = { skip: cannotCapture ?? false, timeout: 120_000 };

if (inOwnNamespace(import.meta.url)) {
  const lab = createConformanceLab();
  before(async () => {
    if (cannotCapture === undefined) await lab.open();
  });
  after(() => lab.close());

  for (const [system, makeAddon] of [
    ['Linux', emulatedAddon],
    ['FreeBSD', () => foreignAddon('freebsd')],
    ['macOS', () => foreignAddon('macos')],
  ] as const) {
    const addonPath = cannotCapture === undefined ? makeAddon() : '';
    const module = createCapture({ reader: 'bpf', addonPath });
    for (const family of [4, 6] as const)
      for (const { name, run } of lab.casesOf(module, family))
        test(`capture-bsd by /dev/bpf, as on ${system}, IPv${family}: ${name}`, options, async (t) => {
          const result = await run();
          if (result) t.skip(result.skipped);
        });
  }
}
