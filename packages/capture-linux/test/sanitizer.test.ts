/** The addon under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer: no bad access, nothing of its own left at the end. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { expectClean, findSanitizer, SANITIZED_LIVES } from '@stunmesh/core/testing/capture-lab';
import { cannotRun, inNamespace, run } from './namespace.js';

const LIVES = fileURLToPath(new URL('lives.js', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

const library = findSanitizer();
const skip = cannotRun ?? (library === undefined ? 'needs a C compiler with libasan' : false);
const options = { skip, timeout: 180_000 };

if (inNamespace(import.meta.url)) {
  const folder = mkdtempSync(path.join(tmpdir(), 'stunmesh-asan-'));
  const addon = path.join(folder, 'capture.node');

  before(() => {
    if (skip) return;
    run('ip link set lo up');
    const headers = (require('node-api-headers') as { include_dir: string }).include_dir;
    const shared = path.join(path.dirname(require.resolve('@stunmesh/core/package.json')), 'native');
    const flags = [
      '-g',
      '-O1',
      '-fsanitize=address,undefined',
      '-fno-omit-frame-pointer',
      '-shared',
      '-fPIC',
      '-pthread',
    ];
    const source = path.join(ROOT, 'native', 'capture.c');
    execFileSync('cc', [...flags, '-fvisibility=hidden', '-I', headers, '-I', shared, source, '-o', addon]);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const life of SANITIZED_LIVES)
    test(`sanitizers find nothing in "${life.name}${life.argument && ` ${life.argument}`}"`, options, () =>
      expectClean(LIVES, life, { library: library ?? '', addon, own: /\bsm_\w+/ }),
    );
}
