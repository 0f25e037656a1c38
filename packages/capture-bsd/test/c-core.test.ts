/** The C core over a scripted /dev/bpf and over a real pipe, under sanitizers: native/test/core.c and threads.c have the cases. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cannotBuild } from './addon-lab.js';

const skip = cannotBuild ?? false;
const SOURCES = fileURLToPath(new URL('../native/test', import.meta.url));
const MEMORY = '-fsanitize=address,undefined';
const RACES = '-fsanitize=thread';

const folder = mkdtempSync(path.join(tmpdir(), 'stunmesh-core-'));
after(() => rmSync(folder, { recursive: true }));

function compile(source: string, sanitizer?: string) {
  const program = path.join(folder, `${source}${sanitizer ?? ''}`);
  const flags = sanitizer === undefined ? [] : [sanitizer, '-fno-sanitize-recover=all'];
  const line = ['-g', '-O1', '-Wall', '-Wextra', '-Werror', '-pthread', ...flags];
  const result = spawnSync('cc', [...line, path.join(SOURCES, `${source}.c`), '-o', program], {
    encoding: 'utf8',
    timeout: 100_000,
  });
  return { program, failed: result.status === 0 ? undefined : result.stderr };
}

/** Each case that the program tells of becomes a subtest. */
async function runCases(t: TestContext, program: string, atLeast: number): Promise<void> {
  const { status, stdout, stderr } = spawnSync(program, { encoding: 'utf8', timeout: 100_000 });
  if (stderr.includes('unexpected memory mapping'))
    return t.skip('this kernel places memory where the sanitizer cannot');
  const results = stdout.split('\n').flatMap((line) => {
    const [, result, name = ''] = /^(ok|not ok) (.*)$/.exec(line) ?? [];
    return result === undefined ? [] : [{ result, name: name.replaceAll('_', ' ') }];
  });
  for (const { result, name } of results) await t.test(name, () => assert.equal(result, 'ok', name));
  assert.equal(stderr, '');
  assert.equal(status, 0);
  assert.ok(results.length >= atLeast, `only ${results.length} cases ran`);
}

test('the C core over a scripted /dev/bpf, under sanitizers', { skip }, async (t) => {
  const sanitized = compile('core', MEMORY);
  if (sanitized.failed !== undefined) t.diagnostic('this compiler has no sanitizers: run without them');
  const { program, failed } = sanitized.failed === undefined ? sanitized : compile('core');
  assert.equal(failed, undefined);
  await runCases(t, program, 24);
});

for (const [sanitizer, what] of [
  [MEMORY, 'AddressSanitizer'],
  [RACES, 'ThreadSanitizer'],
] as const)
  test(`the reader is closed while it reads, under ${what}`, { skip }, async (t) => {
    const { program, failed } = compile('threads', sanitizer);
    if (failed !== undefined && compile('threads').failed === undefined) return t.skip(`needs ${what}`);
    assert.equal(failed, undefined);
    await runCases(t, program, 3);
  });
