/** From a fresh clone, where nothing has been installed or built, one command makes a bundle for another platform, and one the archives. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { must, REPOSITORY } from '../lab/index.js';

const LIMIT_MS = 420_000;

function unable(): string | false {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'addons for other platforms are made on Linux x64';
  return existsSync(join(REPOSITORY, '.git')) ? false : 'needs the repository with its history';
}

test('npm run bundle for FreeBSD, then the archives, in a fresh clone: neither needs a command before it', {
  skip: unable(),
  timeout: LIMIT_MS,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clone-'));
  try {
    const clone = join(folder, 'it');
    await mkdir(clone);
    // What would be committed now, and nothing that was made.
    const copy =
      'git ls-files -co --exclude-standard -z | xargs -0 sh -c \'for f; do [ ! -e "$f" ] || cp --parents -P "$f" "$0"; done\' "$1"';
    await must(undefined, ['sh', '-c', `cd ${REPOSITORY} && ${copy}`, 'sh', clone]);
    assert.ok(!existsSync(join(clone, 'node_modules')) && !existsSync(join(clone, 'packages/core/dist')));
    const npm = (...words: string[]) =>
      must(undefined, ['sh', '-c', 'cd "$1" && shift && exec npm run --silent "$@"', 'sh', clone, ...words], {
        timeoutMs: LIMIT_MS,
      });
    await npm('bundle', '--', '--platform', 'freebsd-arm64');
    for (const name of ['stunmesh.js', 'stunmesh_capture.node', 'man/man1/stunmesh.1'])
      assert.ok(existsSync(join(clone, 'build/stunmesh-freebsd-arm64', name)), name);
    await npm('release', '--', 'archives');
    const made = readdirSync(join(clone, 'build/release')).filter((name) => name.endsWith('.tar.gz'));
    assert.equal(made.length, 2, made.join(' '));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
