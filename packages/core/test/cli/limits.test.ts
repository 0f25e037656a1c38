/** The command where the system gives it little: few descriptors, and a pipe that is read slowly. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
const STACK = /^\s+at .*:\d+:\d+/m;

async function configuration(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'limits-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const peer = { public_key: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=', plugin: 'folder' };
  const config = {
    stun: { addresses: ['127.0.0.1:1'] },
    plugins: { folder: { type: 'builtin', name: 'file', path: join(dir, 'records') } },
    interfaces: { 'stunmesh-none': { peers: { far: peer } } },
    run_dir: join(dir, 'run'),
    state_dir: join(dir, 'state'),
  };
  const file = join(dir, 'config.yaml');
  await writeFile(file, JSON.stringify(config));
  return file;
}

test('F39 too few descriptors: what to do, whatever could not be opened, and no stack', async (t) => {
  const file = await configuration(t);
  let told = 0;
  for (const limit of [22, 26, 30, 34, 38]) {
    const script = `ulimit -n ${limit} && exec "$0" "$@"`;
    const args = ['-c', script, process.execPath, MAIN, '--oneshot', '--timeout', '1s', '-c', file];
    const { stdout, stderr, status } = spawnSync('sh', args, { encoding: 'utf8', timeout: 60_000 });
    const said = stdout + stderr;
    assert.doesNotMatch(said, STACK, `${limit}: ${said}`);
    assert.equal(status, 1, `${limit}: ${said}`);
    if (!/ERR_TOO_MANY_FILES/.test(said)) continue;
    told += 1;
    assert.match(said, /EMFILE.*LimitNOFILE=.*ulimit -n/, `${limit}`);
  }
  assert.ok(told >= 3, `${told} of them met the limit`);
});
