/** `stunmesh plugin test`: what it reports of good and bad stores, and what keeps it from starting. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { StunmeshError } from '#src/api/index.js';
import { normaliseArguments } from '#src/cli/arguments.js';
import { createProgram } from '#src/cli/program.js';
import { callHere, memoryContext } from './call-here.js';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const EXAMPLES = fileURLToPath(new URL('../../../store-exec/examples/', import.meta.url));

interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Names of the cases that did not hold. */
  readonly failed: readonly string[];
}

async function scratch(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cli-plugin-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function script(t: TestContext, body: string): Promise<string> {
  const path = join(await scratch(t), 'plugin');
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

/** Calls `stunmesh plugin test` with these arguments; in `cwd`, which is no folder of ours by default. */
async function run(args: readonly string[], cwd = '/'): Promise<Ran> {
  const { code, stdout, stderr } = await callHere(['plugin', 'test', ...args], cwd, process.env);
  return { status: code, stderr, ...report(stdout) };
}

/** The same as a process, where its exit status and what it prints are the point. */
async function start(args: readonly string[], cwd = '/'): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, 'plugin', 'test', ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = [child.stdout, child.stderr].map(async (stream) => {
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return text;
  });
  const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  const [stdout = '', stderr = ''] = await Promise.all(texts);
  return { status, stderr, ...report(stdout) };
}

const report = (stdout: string) => ({
  stdout,
  failed: [...stdout.matchAll(/^not ok \d+ - (.*)$/gm)].map((match) => match[1] ?? ''),
});

/** A program in the shell protocol over a folder, with one line for set and one for get. */
const shellPlugin = (folder: string, set: string, get: string): string =>
  `. /dev/stdin; d=${folder} f=${folder}/$STUNMESH_KEY\nif [ $STUNMESH_ACTION = set ]; then ${set}; else ${get}; fi`;

test('a given program passes, its report is TAP, and the keys that stay are named', async (t) => {
  for (const [flags, name] of [
    [['--shell'], 'folder-store.sh'],
    [[], 'folder-store-json.sh'],
  ] as const) {
    const folder = await scratch(t);
    const { status, stdout, stderr } = await start([...flags, '--', join(EXAMPLES, name), folder]);
    assert.equal(status, 0, stdout + stderr);
    assert.equal(stderr, '');
    const [version, plan, ...lines] = stdout.trimEnd().split('\n');
    assert.equal(version, 'TAP version 14');
    const results = lines.filter((line) => !line.startsWith('#'));
    assert.equal(plan, `1..${results.length}`);
    for (const [index, line] of results.entries()) assert.ok(line.startsWith(`ok ${index + 1} - `), line);
    const named = [...stdout.matchAll(/^# {3}([0-9a-f]{40})$/gm)].map((match) => match[1] ?? '');
    assert.deepEqual((await readdir(folder)).sort(), named.sort());
    assert.match(stdout, /^# 8 random keys remain in the store/m);
  }
});

test('a configured store passes, and what was written is deleted again', async (t) => {
  const folder = await scratch(t);
  const records = join(folder, 'records');
  await writeFile(
    join(folder, 'config.yaml'),
    `plugins:\n  files:\n    type: builtin\n    name: file\n    path: ${records}\n  sh:\n    type: shell\n    command: ./plugin.sh\n`,
  );
  const { status, stdout } = await run(['files', '-c', 'config.yaml'], folder);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^ok \d+ - watch tells/m);
  assert.match(stdout, /^# 8 random keys were used, and deleted again$/m);
  assert.deepEqual(await readdir(records), []);

  const unknown = await run(['filez', '--config-dir', folder]);
  assert.equal(unknown.status, 2);
  assert.match(unknown.stderr, /no plugin "filez"; it defines: files, sh.*ERR_USAGE/);
  const before = await run(['files', '--config', join(folder, 'missing.yaml')]);
  assert.equal(before.status, 2);
  assert.match(before.stderr, /ERR_CONFIG_NOT_FOUND/);
});

test('a store that cannot be written fails with the remedy in the report', async (t) => {
  const folder = await scratch(t);
  const file = join(folder, 'file');
  await writeFile(file, '');
  const config = `plugins: { files: { type: builtin, name: file, path: ${file} } }`;
  await writeFile(join(folder, 'config.yaml'), config);
  const { status, stdout, failed } = await run(['files', '--config-dir', folder]);
  assert.equal(status, 1);
  assert.ok(failed.includes('what was set is read back'));
  assert.match(stdout, /message: ".*part of the path is a file.*remove the file/);
});

test('a program that prints garbage fails, with words instead of its output', async (t) => {
  const { status, stdout, failed } = await run(['--', await script(t, 'cat; echo 0123456789abcdef')]);
  assert.equal(status, 1);
  assert.ok(failed.length >= 8, stdout);
  assert.match(stdout, /message: ".*reports a failure/);
  assert.doesNotMatch(stdout, /[0-9a-f]{41}/);
});

test('each kind of mistake is found by the case that is about it', async (t) => {
  const mistakes: readonly (readonly [string, string, RegExp, string])[] = [
    ['printf %s "$STUNMESH_VALUE" | cut -c1-255 >$f', 'cat $f 2>/dev/null || :', /largest size/, 'only the first 255'],
    ['[ -e $f ] || echo "$STUNMESH_VALUE" >$f', 'cat $f 2>/dev/null || :', /second value/, 'other characters'],
    ['echo "$STUNMESH_VALUE" >$d/one', 'cat $d/one 2>/dev/null || :', /keys are kept apart/, 'other characters'],
    ['echo "$STUNMESH_VALUE" >$f', 'cat $f 2>/dev/null || echo abcd', /absent key/, 'must read as absent'],
    [':', ':', /read back/, 'nothing, as for an absent key'],
    ['echo "$STUNMESH_VALUE" | tr a-f A-F >$f', 'cat $f 2>/dev/null || :', /read back/, 'capital letters'],
  ];
  for (const [set, get, name, words] of mistakes) {
    const folder = await scratch(t);
    const path = await script(t, shellPlugin(folder, set, get));
    const { status, stdout, failed } = await run(['--shell', '--', path]);
    assert.equal(status, 1, stdout);
    assert.ok(
      failed.some((each) => name.test(each)),
      `${name} held:\n${stdout}`,
    );
    assert.ok(stdout.includes(words), `"${words}" is not in:\n${stdout}`);
  }
});

test('a program that reports an absent key as a failure passes with a remark', async (t) => {
  const folder = await scratch(t);
  const path = await script(t, shellPlugin(folder, 'echo "$STUNMESH_VALUE" >$f', 'cat $f'));
  const { status, stdout } = await run(['--shell', '--', path]);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^ok 1 - an absent key .* # SKIP .*reported as a failure/m);
});

test('a program that is missing, or whose interpreter is, is one sentence and exit status 2', async (t) => {
  const folder = await scratch(t);
  const crlf = join(folder, 'crlf');
  await writeFile(crlf, '#!/bin/sh\r\ncat\r\n', { mode: 0o755 });
  const python4 = join(folder, 'python4');
  await writeFile(python4, '#!/usr/bin/env python4\n', { mode: 0o755 });
  for (const [program, words] of [
    ['/no/such/program', /there is no such program/],
    [crlf, /ends in a carriage return/],
    [python4, /status 12[67].*python4.*not in PATH/],
  ] as const)
    for (const flags of [[], ['--shell'], ['--protocol', '1']])
      await assert.rejects(refusal([...flags, '--', program]), ({ code, message }: StunmeshError) => {
        assert.match(code, /^ERR_(PLUGIN|EXEC)/, message);
        assert.match(message, words);
        assert.doesNotMatch(message, /\n/);
        return true;
      });
  const { status, stdout, stderr } = await run(['--', crlf]);
  assert.deepEqual([status, stdout], [2, ''], stderr);
  assert.match(stderr, /^stunmesh: .*ends in a carriage return.*\n$/);
});

test('a program that is called one at a time is not tried by eight, unless --parallel says so', async (t) => {
  const folder = await scratch(t);
  const program = join(EXAMPLES, 'folder-store-json.sh');
  assert.match((await run(['--', program, folder])).stdout, /eight processes .* # SKIP .*parallel: N allows more/);
  const { status, stdout } = await run(['--parallel', '8', '--', program, folder]);
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^ok \d+ - a call: eight processes at once do not disturb each other$/m);
});

test('a hung program fails by the time limit that was asked for', async (t) => {
  const { status, stdout } = await run(['--timeout', '200ms', '--', await script(t, 'exec sleep 60')]);
  assert.equal(status, 1);
  assert.match(stdout, /no answer within 200 ms/);
});

test('a program of protocol 1 is tried as a process, in a session and as a store, and cleaned up after', async (t) => {
  const folder = await scratch(t);
  const records = join(folder, 'records');
  // Each call is a process, and one in C starts at once.
  const program = join(folder, 'folder_store');
  execFileSync('cc', ['-o', program, join(EXAMPLES, 'folder_store.c')]);
  const { status, stdout, stderr } = await run(['--protocol', '1', '--', program, records]);
  assert.equal(status, 0, stdout + stderr);
  for (const words of [
    /^ok \d+ - describe names/m,
    /^ok \d+ - a call:/m,
    /^ok \d+ - a session: 50/m,
    /^ok \d+ - what was set/m,
  ])
    assert.match(stdout, words);
  assert.match(stdout, /^ok .* # SKIP the plugin cannot watch$/m);
  assert.match(stdout, /^# the program was tried as a plugin of exec protocol 1$/m);
  assert.match(stdout, /^# 8 random keys were used, and deleted again$/m);
  assert.deepEqual(await readdir(records), []);

  const configuredProgram = join(EXAMPLES, 'folder-store-1.sh');
  const config = `plugins: { mine: { type: exec, protocol: 1, command: ${configuredProgram}, args: [${records}] } }`;
  await writeFile(join(folder, 'config.yaml'), config);
  const configured = await run(['mine', '--config-dir', folder, '--format', 'human']);
  assert.equal(configured.status, 0, configured.stdout);
  assert.match(configured.stdout, /^ {2}ok {4}a call: what was set/m);
  assert.match(configured.stdout, /^\d+ held, 0 failed, \d+ do not apply$/m);
  assert.doesNotMatch(configured.stdout, /^#|TAP/m);
});

test('a program of protocol 0 that is said to speak protocol 1 fails, with the remedy', async (t) => {
  const folder = await scratch(t);
  const program = join(EXAMPLES, 'folder-store-json.sh');
  const { status, stdout, failed } = await run(['--protocol', '1', '--', program, folder]);
  assert.equal(status, 1);
  assert.match(failed[0] ?? '', /^describe names protocol 1/);
  assert.match(stdout, /leave out .*protocol: 1/);
  const human = await run(['--format', 'human', '--', await script(t, 'exit 9')]);
  assert.equal(human.status, 1);
  assert.match(human.stdout, /^ {2}FAIL {2}a call: what was set.*\n {8}the answer to set: it exited with status 9$/m);
});

test('wrong usage is told in a sentence, with exit status 2', async () => {
  const once = await start(['--nonsense']);
  assert.equal(once.status, 2, once.stderr);
  assert.ok(once.stderr.includes('unknown option'), once.stderr);
  for (const [args, words] of [
    [[], 'name one plugin'],
    [['a', 'b'], 'name one plugin'],
    [['a', '--shell'], 'name one plugin'],
    [['--'], 'write a program after --'],
    [['--timeout', '10', '--', 'true'], 'a duration with its unit'],
    [['--max-size', 'x', '--', 'true'], 'a number of characters'],
    [['--protocol', '2', '--', 'true'], 'write 0 or 1'],
    [['--protocol', '1', '--shell', '--', 'true'], 'no versions'],
    [['a', '--protocol', '1'], 'the configuration says it'],
    [['a', '--parallel', '8'], 'the configuration says it'],
    [['--parallel', '0', '--', 'true'], 'from 1 to 64'],
    [['--format', 'xml', '--', 'true'], 'tap or human'],
  ] as const)
    await assert.rejects(refusal(args), (error: { code?: string; message: string }) => {
      assert.match(`${error.code}`, /^(ERR_USAGE|commander\.)/, error.message);
      assert.ok(error.message.includes(words), error.message);
      return true;
    });
});

/** What it throws is what `stunmesh` would print and exit for. */
async function refusal(args: readonly string[]): Promise<void> {
  const program = createProgram(memoryContext([], [], { env: process.env }));
  await program.parseAsync(normaliseArguments(['plugin', 'test', ...args]), { from: 'user' });
}
