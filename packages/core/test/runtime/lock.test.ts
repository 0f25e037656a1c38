/** One daemon per device (F38): real lock files, real processes. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { hasCode } from '#src/api/index.js';
import { lockHolder, takeLock } from '#src/runtime/lock.js';
import { settle } from '#src/testing/index.js';

const LOCK_MODULE = import.meta.resolve('#src/runtime/lock.js');

async function lockPath(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-lock-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return join(dir, 'run', 'wg0.lock');
}

/** A process that takes the lock, says "held" or its error code, and stays until it is ended. */
async function holder(t: TestContext, path: string): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const script = `const { takeLock } = await import(${JSON.stringify(LOCK_MODULE)});
    try { await takeLock(process.argv[1]); console.log('held'); setInterval(() => {}, 1000); } catch (error) { console.log(error.code); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const said = await new Promise<string>((resolve) => {
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
    child.once('exit', () => resolve('exited'));
  });
  return { child, said };
}

const ended = (child: ChildProcess) => new Promise<void>((resolve) => child.once('exit', () => resolve()));

test('F38 the second taker is refused and told who holds it', async (t) => {
  const path = await lockPath(t);
  const { child, said } = await holder(t, path);
  assert.equal(said, 'held');
  await assert.rejects(
    takeLock(path),
    (error) => hasCode(error, 'ERR_LOCKED') && String(error).includes(String(child.pid)),
  );
  assert.equal(await lockHolder(path), child.pid);
  assert.deepEqual(await readdir(join(path, '..')), ['wg0.lock'], 'nothing left behind');
});

test('F38 the lock of a killed holder is taken over', async (t) => {
  const path = await lockPath(t);
  const { child } = await holder(t, path);
  const exit = ended(child);
  child.kill('SIGKILL');
  await exit;
  await using _lock = await takeLock(path);
  assert.equal((JSON.parse(await readFile(path, 'utf8')) as { pid: number }).pid, process.pid);
});

test('F38 a process that got the number of the dead holder does not count as the holder', async (t) => {
  const path = await lockPath(t);
  await (await takeLock(path))[Symbol.asyncDispose]();
  if (!(await stat('/proc/1/stat').catch(() => undefined))) return t.skip('needs /proc');
  await writeFile(path, JSON.stringify({ pid: 1, born: '1234567890123' }));
  await using _lock = await takeLock(path);
  assert.equal((JSON.parse(await readFile(path, 'utf8')) as { pid: number }).pid, process.pid);
});

test("F38 and F79 a damaged lock is nobody's", async (t) => {
  const path = await lockPath(t);
  await (await takeLock(path))[Symbol.asyncDispose]();
  const numbers = [0, -1, 1.5, 2 ** 53, -process.pid].map((pid) => JSON.stringify({ pid, born: '' }));
  for (const text of ['', '{"pid":', '{"pid":"x"}', 'null', '[]', '1', 'x'.repeat(100_000), ...numbers]) {
    await writeFile(path, text);
    await (await takeLock(path))[Symbol.asyncDispose]();
  }
});

test('F79 what cannot be a lock is taken over, and does not hang; a folder is named', async (t) => {
  const path = await lockPath(t);
  await (await takeLock(path))[Symbol.asyncDispose]();
  await promisify(execFile)('mkfifo', [path]);
  await (await takeLock(path))[Symbol.asyncDispose]();
  await symlink('/nowhere/at/all', path);
  await (await takeLock(path))[Symbol.asyncDispose]();
  await mkdir(join(path, 'full'), { recursive: true });
  await assert.rejects(
    takeLock(path),
    (error) => hasCode(error, 'ERR_RUN_DIR') && /a folder; remove it/.test(String(error)),
  );
  await stat(join(path, 'full'));
  assert.deepEqual(await readdir(join(path, '..')), ['wg0.lock']);
});

test('F79 a holder that was killed and is not reaped yet, as in a container without an init, is dead', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  const path = await lockPath(t);
  // The shell becomes a program that never waits for its child.
  const script = `${process.execPath} --input-type=module -e "$SCRIPT" "$0" & exec sleep 60`;
  const SCRIPT = `await (await import(${JSON.stringify(LOCK_MODULE)})).takeLock(process.argv[1]); process.kill(process.pid, 'SIGKILL');`;
  const parent = spawn('sh', ['-c', script, path], { env: { ...process.env, SCRIPT }, stdio: 'ignore' });
  t.after(() => parent.kill('SIGKILL'));
  const state = async (): Promise<string | undefined> => {
    const { pid } = JSON.parse(await readFile(path, 'utf8')) as { pid: number };
    return /^State:\s+(\w)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1];
  };
  while ((await state().catch(() => undefined)) !== 'Z') await settle();
  await using _lock = await takeLock(path);
  assert.equal((JSON.parse(await readFile(path, 'utf8')) as { pid: number }).pid, process.pid);
});

test('F79 what killed starters left beside the lock is swept, what belongs to living ones stays', async (t) => {
  const path = await lockPath(t);
  await (await takeLock(path))[Symbol.asyncDispose]();
  const gone = 2 ** 22 + 1;
  for (const left of [`${path}.${gone}`, `${path}.${gone}.stale`, `${path}.1`, `${path}.old`])
    await writeFile(left, '');
  await using _lock = await takeLock(path);
  assert.deepEqual((await readdir(join(path, '..'))).sort(), ['wg0.lock', 'wg0.lock.1', 'wg0.lock.old']);
});

test('F38 of several that start at once over a dead lock exactly one wins', async (t) => {
  const path = await lockPath(t);
  await (await takeLock(path))[Symbol.asyncDispose]();
  await writeFile(path, JSON.stringify({ pid: 2 ** 22 + 1, born: '1' }));
  const said = (await Promise.all(Array.from({ length: 4 }, () => holder(t, path)))).map((h) => h.said);
  assert.deepEqual(said.sort(), ['ERR_LOCKED', 'ERR_LOCKED', 'ERR_LOCKED', 'held']);
});

test('F38 while another starter puts its lock in the place of a dead one nobody else does; its claim dies with it', async (t) => {
  const path = await lockPath(t);
  await (await takeLock(path))[Symbol.asyncDispose]();
  const dead = JSON.stringify({ pid: 2 ** 22 + 1, born: '1' });
  await writeFile(path, dead);
  const other = await holder(t, join(path, '../wg1.lock'));
  await writeFile(`${path}.claim`, await readFile(join(path, '../wg1.lock')));
  await assert.rejects(
    takeLock(path),
    (error) => hasCode(error, 'ERR_LOCKED') && String(error).includes(String(other.child.pid)),
  );
  assert.equal(await readFile(path, 'utf8'), dead);
  const gone = ended(other.child);
  other.child.kill('SIGKILL');
  await gone;
  await using _lock = await takeLock(path);
  assert.equal(await lockHolder(path), process.pid);
  assert.deepEqual((await readdir(join(path, '..'))).sort(), ['wg0.lock', 'wg1.lock']);
});

test('F38 released it is free; releasing twice, or after another took it, harms nobody', async (t) => {
  const path = await lockPath(t);
  const first = await takeLock(path);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await first[Symbol.asyncDispose]();
  await assert.rejects(stat(path));
  const { said } = await holder(t, path);
  assert.equal(said, 'held');
  await first[Symbol.asyncDispose]();
  await stat(path);
});

test('F39 a folder that cannot be used is ERR_RUN_DIR with the way out', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-lock-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'file'), '');
  await assert.rejects(
    takeLock(join(dir, 'file', 'wg0.lock')),
    (error) => hasCode(error, 'ERR_RUN_DIR') && /run_dir/.test(String(error)),
  );
  assert.ok(fileURLToPath(LOCK_MODULE));
});
