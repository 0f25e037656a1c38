/** The addon under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer: no bad access, nothing of its own left at the end. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cannotRun, inNamespace, run } from './namespace.js';

const LIVES = fileURLToPath(new URL('lives.js', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** The sanitizer's library, which must come before all others in a process that was not built with it. */
function findLibrary(): string | undefined {
  const found = spawnSync('cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const file = found.status === 0 ? found.stdout.trim() : '';
  return path.isAbsolute(file) && existsSync(file) ? file : undefined;
}

const library = findLibrary();
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

  for (const [name, argument, status] of [
    ['tidy', '', 0],
    ['exit', 'exit', 0],
    ['exit', 'throw', 1],
    ['workers', '2', 0],
  ] as const)
    test(`sanitizers find nothing in "${name}${argument && ` ${argument}`}"`, options, () => {
      const result = spawnSync(process.execPath, ['--expose-gc', LIVES, name, argument], {
        encoding: 'utf8',
        timeout: 170_000,
        env: {
          ...process.env,
          STUNMESH_TEST_ADDON: addon,
          LD_PRELOAD: library ?? '',
          // Node leaves things of its own behind at its end; only frames of the addon count. process.exit() tidies nothing up.
          ASAN_OPTIONS: `detect_leaks=${name === 'exit' ? 0 : 1}:exitcode=0:abort_on_error=0:halt_on_error=0`,
          UBSAN_OPTIONS: 'print_stacktrace=1',
        },
      });
      assert.equal(result.status, status, result.stderr);
      if (name === 'tidy') assert.match(result.stdout, /thrown 1, thrown 2, thrown 3\n$/);
      const text = result.stdout + result.stderr;
      assert.doesNotMatch(text, /ERROR: AddressSanitizer|runtime error:|Sanitizer:DEADLYSIGNAL/);
      assert.doesNotMatch(text, /\bsm_\w+|capture\.c|stunmesh_\w+\.h/, 'frames of the addon among the leaks');
    });
}
