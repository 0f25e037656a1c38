/** Temporary files below run_dir: private, gone at the end, and after a crash gone with the next start (F75, F79). */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openScratch } from '#src/runtime/scratch.js';

const SCRATCH_MODULE = import.meta.resolve('#src/runtime/scratch.js');

async function runDir(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-scratch-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A process that makes files in its scratch folder and stays until it is ended. */
async function other(t: TestContext, at: string): Promise<{ readonly child: ChildProcess; readonly folder: string }> {
  const script = `const { openScratch } = await import(${JSON.stringify(SCRATCH_MODULE)});
    const { mkdirSync, writeFileSync } = await import('node:fs');
    const folder = (await openScratch(process.argv[1])).folder();
    mkdirSync(folder + '/exec-a'); writeFileSync(folder + '/exec-a/1', 'x');
    console.log(folder); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, at], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const folder = await new Promise<string>((resolve) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
  });
  return { child, folder };
}

test('F75 nothing is made before it is asked for; the folder is 0700, made again if it is cleared away, and gone at the end', async (t) => {
  const at = await runDir(t);
  const scratch = await openScratch(at);
  assert.deepEqual(await readdir(at), []);
  const folder = scratch.folder();
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  assert.equal((await stat(join(at, 'scratch'))).mode & 0o777, 0o700);
  await rm(join(at, 'scratch'), { recursive: true });
  assert.equal(scratch.folder(), folder);
  await mkdir(join(folder, 'exec-a'));
  await writeFile(join(folder, 'exec-a', '1'), 'x');
  scratch[Symbol.dispose]();
  assert.deepEqual(await readdir(at), []);
});

test('F79 what a killed daemon left is gone after the next start, that of a living one stays', async (t) => {
  const at = await runDir(t);
  const [killed, living] = await Promise.all([other(t, at), other(t, at)]);
  const gone = new Promise((resolve) => killed.child.once('exit', resolve));
  killed.child.kill('SIGKILL');
  await gone;
  const victim = await runDir(t);
  await writeFile(join(victim, 'keep'), 'x');
  await symlink(victim, join(killed.folder, 'link'));
  const scratch = await openScratch(at);
  await assert.rejects(stat(killed.folder), { code: 'ENOENT' });
  assert.deepEqual(await readdir(join(living.folder, 'exec-a')), ['1']);
  assert.deepEqual(await readdir(victim), ['keep'], 'a link was followed');
  scratch[Symbol.dispose]();
  assert.deepEqual(await readdir(join(living.folder, 'exec-a')), ['1']);
});

test('F79 a number that another process has meanwhile is no life', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  const at = await runDir(t);
  await mkdir(join(at, 'scratch', `${process.ppid}.1`, 'exec-a'), { recursive: true });
  await mkdir(join(at, 'scratch', 'of-somebody-else'));
  await openScratch(at);
  assert.deepEqual(await readdir(join(at, 'scratch')), ['of-somebody-else']);
});
