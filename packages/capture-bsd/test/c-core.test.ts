/** The C core over a scripted /dev/bpf, under AddressSanitizer and UndefinedBehaviorSanitizer: native/test/core.c has the cases. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../native/test/core.c', import.meta.url));
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'];

const folder = mkdtempSync(path.join(tmpdir(), 'stunmesh-core-'));
after(() => rmSync(folder, { recursive: true }));

function compile(flags: readonly string[]) {
  const program = path.join(folder, `core${flags.length}`);
  const line = ['-g', '-O1', '-Wall', '-Wextra', '-Werror', ...flags, SOURCE, '-o', program];
  return { program, ...spawnSync('cc', line, { encoding: 'utf8', timeout: 100_000 }) };
}

function cannotRun(): string | false {
  if (process.platform !== 'linux') return 'needs Linux, where /dev/bpf is not';
  return spawnSync('cc', ['--version']).status === 0 ? false : 'needs a C compiler';
}

test('the C core over a scripted /dev/bpf, under sanitizers', { skip: cannotRun() }, async (t) => {
  const sanitized = compile(SANITIZERS);
  const built = sanitized.status === 0 ? sanitized : compile([]);
  assert.equal(built.status, 0, built.stderr);
  if (built !== sanitized) t.diagnostic('this compiler has no sanitizers: run without them');
  const { status, stdout, stderr } = spawnSync(built.program, { encoding: 'utf8', timeout: 100_000 });
  const lines = stdout.trim().split('\n');
  for (const line of lines) {
    const [, result, name = ''] = /^(ok|not ok) (.*)$/.exec(line) ?? [];
    if (result !== undefined) await t.test(name.replaceAll('_', ' '), () => assert.equal(result, 'ok', line));
  }
  assert.ok(lines.length >= 24, `only ${lines.length} cases ran`);
  assert.equal(stderr, '');
  assert.equal(status, 0);
});
