/** The reporter of `npm test` on real runs of small files: what counts as good, and what the last line says. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../architecture/source.js';

const HEAD = "import assert from 'node:assert/strict'; import { describe, it, test } from 'node:test';\n";

/** Runs the files under the reporter in a process of their own; the exit status is 0 where the run was good. */
async function report(
  files: Readonly<Record<string, string>>,
  { skipsFail = false } = {},
): Promise<{ readonly good: boolean; readonly output: string; readonly last: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-reporter-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), HEAD + text);
    const script = `
      import { run } from 'node:test';
      import { Reporter } from ${JSON.stringify(join(ROOT, 'test/tools/reporter.mjs'))};
      const reporter = new Reporter();
      const files = ${JSON.stringify(Object.keys(files).map((name) => join(folder, name)))};
      for (const file of files) await reporter.follow([file], run({ files: [file] }), { live: false });
      process.exitCode = reporter.finish({ skipsFail: ${skipsFail} }) ? 0 : 1;`;
    // A file, not -e: the runner hands its own arguments down to the files' processes.
    const driver = join(folder, 'driver.mjs');
    await writeFile(driver, script);
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    return await new Promise((resolve) => {
      execFile(process.execPath, [driver], { env }, (error, output) => {
        resolve({ good: error === null, output, last: output.trimEnd().split('\n').at(-1) ?? '' });
      });
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const PASSES = "test('fine', () => {}); describe('group', () => { it('inner', () => {}); });";
const SKIPS = "test('later', (t) => t.skip('needs a tool'));";
const FAILS = "test('outer', async (t) => { await t.test('inner', () => assert.equal(1, 2)); });";

test('tests are counted, groups are not, and a good run is good', async () => {
  const { good, last } = await report({ 'a.test.mjs': PASSES });
  assert.equal(last, '2 passed, 0 failed, 0 skipped');
  assert.ok(good);
});

test('a skip is told with its reason; where nothing may be skipped it spoils the run', async () => {
  const lenient = await report({ 'a.test.mjs': PASSES + SKIPS });
  assert.equal(lenient.last, '2 passed, 0 failed, 1 skipped');
  assert.match(lenient.output, /later\n\s+needs a tool/);
  assert.ok(lenient.good);
  const strict = await report({ 'a.test.mjs': PASSES + SKIPS }, { skipsFail: true });
  assert.equal(strict.last, '2 passed, 0 failed, 1 skipped');
  assert.ok(!strict.good);
});

test('a failure inside another test is told once, in full', async () => {
  const { good, last, output } = await report({ 'a.test.mjs': FAILS });
  assert.equal(last, '0 passed, 1 failed, 0 skipped');
  assert.match(output, /a\.test\.mjs: outer > inner\n[\s\S]*1 !== 2/);
  assert.ok(!good);
});

test('a file whose process ends badly, or that holds no test, is a failure', async () => {
  const { good, last, output } = await report({
    'a.test.mjs': PASSES,
    'b.test.mjs': "process.stdout.write('last words'); process.exit(3);",
    'c.test.mjs': '',
  });
  assert.equal(last, '2 passed, 2 failed, 0 skipped');
  assert.match(
    output,
    /b\.test\.mjs: whole file\n\s+its process ended with exit status 3\n\s+it printed:\n\s+last words/,
  );
  assert.match(output, /c\.test\.mjs: whole file\n\s+no test in it/);
  assert.ok(!good);
});

test('a run without any test is not good', async () => {
  const { good, last } = await report({});
  assert.equal(last, '0 passed, 0 failed, 0 skipped');
  assert.ok(!good);
});
