/** Groups of test files in one process: who may share, and that each file is told apart whatever another one does. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ROOT } from '../architecture/source.js';

const GROUPS = join(ROOT, 'test/tools/groups.mjs');
interface TestFile {
  readonly source: string;
  readonly compiled: string;
}

const { groupFiles, mayShare } = (await import(GROUPS)) as {
  groupFiles(files: readonly TestFile[], lastMs: Readonly<Record<string, number>>): readonly (readonly TestFile[])[];
  mayShare(text: string): boolean;
};
const { testFiles } = (await import(join(ROOT, 'test/tools/workspace.mjs'))) as { testFiles(): readonly TestFile[] };

const HEAD = "import assert from 'node:assert/strict'; import { test } from 'node:test';\n";

/** Runs the files as one group, in a process of its own, and hands back what the reporter says. */
async function runGroup(t: TestContext, files: Readonly<Record<string, string>>, options = ''): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'group-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'own'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), HEAD + text);
  const group = Object.keys(files).map((name) => ({ source: name, compiled: relative(ROOT, join(folder, name)) }));
  const driver = join(folder, 'driver.mjs');
  await writeFile(
    driver,
    `import { run } from 'node:test';
     import { Reporter } from ${JSON.stringify(join(ROOT, 'test/tools/reporter.mjs'))};
     import { OWN_TESTS, writeGroup } from ${JSON.stringify(GROUPS)};
     const group = ${JSON.stringify(group)};
     const reporter = new Reporter();
     const events = run({ files: [writeGroup(group, ${JSON.stringify(join(folder, 'own'))}, 0, { closingLimitMs: 200 })], ${options} });
     const unbegun = await reporter.follow(group.map(({ source }) => source), events, { live: false, byName: ${options !== ''} });
     process.stdout.write(\`unbegun: \${unbegun}\\nfiles: \${reporter.files.map(({ file }) => file)}\\n\`);
     process.exitCode = reporter.finish({ skipsFail: false }) ? 0 : 1;`,
  );
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return await new Promise((resolve) => {
    execFile(process.execPath, [driver], { env, timeout: 60_000 }, (_error, output) => resolve(output.trimEnd()));
  });
}

test('a file shares its process unless it changes or measures it', () => {
  assert.ok(mayShare("test('x', (t) => { t.after(() => {}); process.env['A'] = '1'; process.kill(1); });"));
  assert.ok(mayShare('after(() => rmSync(folder, { recursive: true }));'));
  for (const text of [
    'after(() => server.close());',
    'before(async () => {});',
    'process.memoryUsage();',
    'const before = processorMs();',
    "readdirSync('/proc/self/fd');",
    'mock.timers.enable();',
    'globalThis.fetch = f;',
    'require.cache;',
  ])
    assert.ok(!mayShare(text), text);
});

test("each test is told as its own file's, and each file has its time", async (t) => {
  const output = await runGroup(t, {
    'a.mjs': "test('good', async () => { await new Promise((done) => setImmediate(done)); });",
    'b.mjs': "test('bad', () => assert.equal(1, 2)); test('left', { skip: 'for now' }, () => {});",
    'c.mjs': "test('good too', () => {});",
  });
  assert.match(output, /b\.mjs: bad\n/);
  assert.match(output, /b\.mjs: left\n\s+for now/);
  assert.match(output, /^unbegun: \nfiles: a\.mjs,b\.mjs,c\.mjs$/m);
  assert.match(output, /\n2 passed, 1 failed, 1 skipped$/);
});

test('a file begins when the one before has ended', async (t) => {
  const output = await runGroup(t, {
    'a.mjs':
      "globalThis.busy = true; test('slow', async () => { await new Promise((done) => setTimeout(done, 50)); busy = false; });",
    'b.mjs': "const atLoad = busy; test('after it', () => assert.equal(atLoad, false));",
  });
  assert.match(output, /\n2 passed, 0 failed, 0 skipped$/);
});

test('a file that cannot be loaded, has no test or keeps its process fails, and no other', async (t) => {
  const output = await runGroup(t, {
    'a.mjs': "throw new Error('not today');",
    'b.mjs': '',
    'c.mjs': "import { createServer } from 'node:net'; test('listens', () => { createServer().listen(0); });",
    'd.mjs': "test('good', () => {});",
  });
  assert.match(output, /a\.mjs: whole file\n\s+Error: not today/);
  assert.match(output, /b\.mjs: whole file\n\s+no test in it/);
  assert.match(output, /c\.mjs: whole file\n\s+Error: still open .*TCPServerWrap/);
  assert.match(output, /^unbegun: d\.mjs$/m);
  assert.match(output, /\n1 passed, 3 failed, 0 skipped$/);
});

test('a file that leaves its process otherwise than it was is told, and what it changed', async (t) => {
  const output = await runGroup(t, {
    'a.mjs':
      "test('env', () => { process.env.LEFT = 'secret'; process.on('SIGUSR2', () => {}); process.chdir('/'); process.umask(0o77); });",
    'b.mjs':
      "test('put back', (t) => { process.env.A = '1'; t.after(() => { delete process.env.A; }); process.on('exit', () => {}); });",
    'c.mjs': "test('stack', () => { Error.stackTraceLimit = 0; globalThis.setTimeout = () => {}; });",
  });
  assert.match(
    output,
    /a\.mjs: whole file\n\s+Error: not as it was before its tests: working folder, umask, listeners to SIGUSR2, environment LEFT\n/,
  );
  assert.match(output, /c\.mjs: whole file\n\s+Error: not as .*: Error\.stackTraceLimit, Date or timers\n/);
  assert.doesNotMatch(output, /secret|b\.mjs: whole/);
  assert.match(output, /\n3 passed, 2 failed, 0 skipped$/);
});

test('a file that ends the process is named, and those after it are handed back', async (t) => {
  const output = await runGroup(t, {
    'a.mjs': "test('good', () => {});",
    'b.mjs': "process.stdout.write('last words'); process.exit(3);",
    'c.mjs': "test('never', () => {});",
  });
  assert.match(output, /b\.mjs: whole file\n\s+its process ended with exit status 3\n\s+it printed:\n\s+last words/);
  assert.match(output, /^unbegun: c\.mjs$/m);
  assert.match(output, /\n1 passed, 1 failed, 0 skipped$/);
});

test('an error that nobody awaits fails the test that runs, and names it; after the last test, the file', async (t) => {
  const output = await runGroup(t, {
    'a.mjs': `test('good', () => {});
      test('outer', async (t) => {
        await t.test('inner', async () => { setImmediate(() => { throw new Error('thrown late'); }); await new Promise((done) => setTimeout(done, 20)); });
        await t.test('beside it', () => {});
        void Promise.reject(new Error('rejected'));
        await new Promise((done) => setTimeout(done, 20));
      });`,
    'b.mjs': "test('good too', () => {});",
  });
  assert.match(output, /a\.mjs: outer > inner\n\s+Error: thrown late/);
  assert.match(output, /a\.mjs: outer\n\s+Error: rejected/);
  assert.match(output, /\n3 passed, 2 failed, 0 skipped$/);
});

test('a test follows no promise to know whose an error is, which would cost a third of its time', async (t) => {
  const output = await runGroup(t, {
    'a.mjs': `import { executionAsyncId } from 'node:async_hooks';
      test('not followed', async () => { await undefined; assert.equal(executionAsyncId(), 0); });`,
  });
  assert.match(output, /\n1 passed, 0 failed, 0 skipped$/);
});

test('tests can be chosen by name, and the others are no skips', async (t) => {
  const files = { 'a.mjs': "test('F19 one', () => {}); test('two', () => {});", 'b.mjs': "test('three', () => {});" };
  const output = await runGroup(t, files, 'testNamePatterns: [/F19/, OWN_TESTS]');
  assert.match(output, /\n1 passed, 0 failed, 0 skipped$/);
});

test('a busy machine, on which all takes ten times as long, makes no more processes of them', () => {
  const files = testFiles().slice(0, 150);
  const groups = (ms: number) => groupFiles(files, Object.fromEntries(files.map(({ source }) => [source, ms]))).length;
  assert.equal(groups(10_000), groups(1_000));
  assert.ok(groups(1_000) < 75, `${groups(1_000)} processes`);
});
