/** F79: what a crash left behind is removed without harm to the modules that are loaded afterwards. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { removeFile } from '#src/runtime/remove-file.js';

/** A folder with a package behind a symlink, and a socket that nobody serves any more. */
async function afterCrash(t: TestContext): Promise<{ readonly linked: string; readonly socket: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'crash-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'real'));
  for (const name of ['first.mjs', 'second.mjs'])
    await writeFile(join(folder, 'real', name), 'export const at = import.meta.url;');
  await symlink(join(folder, 'real'), join(folder, 'linked'));
  const socket = join(folder, 'wg0.sock');
  const script = `require('node:net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'));`;
  await promisify(execFile)(process.execPath, ['-e', script, socket]).catch(() => undefined);
  return { linked: join(folder, 'linked'), socket };
}

const opening: Readonly<Record<string, string>> = {
  'the control socket': `const { openControlServer } = await import(${JSON.stringify(import.meta.resolve('#src/control/server.js'))});
    await openControlServer(socket, { clock: undefined, snapshot: () => [] });`,
  'the lock': `const { takeLock } = await import(${JSON.stringify(import.meta.resolve('#src/runtime/lock.js'))});
    await (await takeLock(socket + '.lock'))[Symbol.asyncDispose]();
    await (await import(${JSON.stringify(import.meta.resolve('#src/runtime/remove-file.js'))})).removeFile(socket);`,
};

for (const [what, open] of Object.entries(opening)) {
  test(`F79 ${what} over a dead daemon's socket: a module behind a symlink is loaded from where it is`, async (t) => {
    const { linked, socket } = await afterCrash(t);
    const script = `const [, socket, linked] = process.argv;
      await import(linked + '/first.mjs');
      ${open}
      console.log((await import(linked + '/second.mjs')).at);
      process.exit();`;
    const { stdout } = await promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      script,
      socket,
      linked,
    ]);
    assert.match(stdout, /\/real\/second\.mjs/);
  });
}

test('F79 what is not there is removed already; what cannot be removed is told', async (t) => {
  const { linked } = await afterCrash(t);
  const server = createServer().listen(join(linked, 'alive.sock'));
  await new Promise((resolve) => server.once('listening', resolve));
  await removeFile(join(linked, 'alive.sock'));
  await removeFile(join(linked, 'alive.sock'));
  await assert.rejects(removeFile(`${linked}/../real`), { code: 'EISDIR' });
  server.close();
});
