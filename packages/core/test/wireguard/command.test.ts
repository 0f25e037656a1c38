/** Short commands: what they may see, and what is reported of those that fail, are killed or never start (F31). */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createFakeClock } from '#src/testing/index.js';
import { runCommand } from '#src/wireguard/command.js';

const clock = createSystemClock();
const { signal } = new AbortController();
const LIMIT = { clock, deadlineMs: 60_000, signal };

test('a command sees a search path, English messages and nothing else of our environment, also where we have no path', async () => {
  const path = process.env['PATH'];
  process.env['STUNMESH_SECRET'] = 'x';
  try {
    for (const own of ['/usr/bin:/bin', undefined]) {
      if (own === undefined) delete process.env['PATH'];
      else process.env['PATH'] = own;
      const { stdout, exitCode } = await runCommand('/usr/bin/env', [], LIMIT);
      const wanted = own ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
      assert.equal(exitCode, 0);
      // Node itself hands the one about coverage down, where it is measured.
      const seen = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('NODE_V8_COVERAGE='));
      assert.deepEqual(seen.sort(), ['LC_ALL=C', `PATH=${wanted}`, 'WG_ENDPOINT_RESOLUTION_RETRIES=0']);
    }
  } finally {
    delete process.env['STUNMESH_SECRET'];
    if (path !== undefined) process.env['PATH'] = path;
  }
});

test('a command gets its input, and its outcome is reported as it was: both outputs and the exit status', async () => {
  const { exitCode, stdout, stderr, capped } = await runCommand('/bin/sh', ['-c', 'cat; echo no >&2; exit 3'], {
    ...LIMIT,
    input: 'one\n',
  });
  assert.deepEqual([exitCode, stdout, stderr, capped], [3, 'one\n', 'no\n', false]);
});

test('a program that is not there has no exit status but the system’s code', async () => {
  const { exitCode, spawnCode, stdout } = await runCommand('/nowhere/wg', [], LIMIT);
  assert.deepEqual([exitCode, spawnCode, stdout], [undefined, 'ENOENT', '']);
});

test('F31 a command that hangs is killed with its children when its caller gives up, by the caller’s reason', async () => {
  const stop = new AbortController();
  const reason = new StunmeshError('ERR_CLOSED', 'stopping');
  const folder = mkdtempSync(join(tmpdir(), 'command-'));
  try {
    const pipe = join(folder, 'alive');
    execFileSync('mkfifo', [pipe]);
    const script = 'exec 3>"$0"; sleep 600 & echo began >&3; wait';
    const running = runCommand('/bin/sh', ['-c', script, pipe], { ...LIMIT, signal: stop.signal });
    const ended = assert.rejects(running, (error) => error === reason);
    // The pipe ends when the last process that holds it has gone: the shell and its child.
    for await (const text of createReadStream(pipe, 'utf8')) {
      assert.equal(text, 'began\n');
      stop.abort(reason);
    }
    await ended;
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('F31 a deadline that is over ends in ERR_DEADLINE', async () => {
  const fake = createFakeClock();
  const running = runCommand('/bin/sleep', ['600'], { ...LIMIT, clock: fake, deadlineMs: 1_000 });
  const ended = assert.rejects(running, { code: 'ERR_DEADLINE' });
  // The program is loaded and started in real time; until then there is no deadline to pass.
  while (fake.pending === 0) await new Promise((resolve) => setImmediate(resolve));
  await fake.advance(1_000);
  await ended;
});

test('an abort before the start runs nothing', async () => {
  const reason = new StunmeshError('ERR_CLOSED', 'stopping');
  const running = runCommand('/bin/sh', ['-c', 'exit 0'], { ...LIMIT, signal: AbortSignal.abort(reason) });
  await assert.rejects(running, (error) => error === reason);
});
