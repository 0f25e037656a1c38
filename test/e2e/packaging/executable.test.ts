/** The single-file executable: Bun, the program and its addon in one file that needs nothing beside it. */
import assert from 'node:assert/strict';
import { chmod, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { must, REPOSITORY } from '../lab/index.js';
import { residentBytes } from '../lab/steps/crowd.js';
import { labTest, skipReason } from '../lab/steps/lab-test.js';
import { CONNECT_LIMIT_MS, expectTunnel } from '../lab/steps/pair.js';

const MAKE_MS = 120_000;
const MIB = 1024 * 1024;
const PLATFORM = `linux-${process.arch}`;

let folder: string;
let program: string;
before(
  async () => {
    folder = await mkdtemp(join(tmpdir(), 'executable-'));
    if (skipReason() !== false) return;
    const release = [
      process.execPath,
      join(REPOSITORY, 'test/tools/release.mjs'),
      PLATFORM,
      '--no-build',
      '--out',
      folder,
    ];
    await must(undefined, release, { timeoutMs: MAKE_MS });
    program = join(folder, 'alone', 'stunmesh');
    await must(undefined, ['mkdir', join(folder, 'alone')]);
    await copyFile(join(folder, `stunmesh-${PLATFORM}`), program);
    await chmod(program, 0o755);
    await rm(join(folder, `stunmesh-${PLATFORM}`));
  },
  { timeout: MAKE_MS },
);
after(() => rm(folder, { recursive: true, force: true }));

labTest(
  'the executable on one host and node on the other: a port-restricted pair connects, by an exec plugin on one side',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab, t) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const shell = join(REPOSITORY, 'test/fixtures/e2e/shell-store.sh');
    const plugins = { folder: { type: 'shell', command: shell, args: [lab.storeDir] } };
    const [alone, byNode] = await Promise.all([
      a.startDaemon({ command: [program], plugins, env: { TMPDIR: join(folder, 'alone') } }),
      b.startDaemon(),
    ]);
    await expectTunnel(a, b, CONNECT_LIMIT_MS * 2);
    assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
    assert.match(await must(undefined, [program, 'status', '--run-dir', a.runDir]), /connected/);
    assert.match(await must(undefined, [program, 'config', 'check', alone.configFile]), /: valid/);
    const store = join(folder, 'acme-store.mjs');
    await copyFile(join(REPOSITORY, 'test/fixtures/e2e/one-file-store.mjs'), store);
    const acme = join(folder, 'acme.json');
    const setting = { type: 'builtin', name: store, path: join(folder, 'acme') };
    await writeFile(
      acme,
      JSON.stringify({ ...JSON.parse(await readFile(alone.configFile, 'utf8')), plugins: { folder: setting } }),
    );
    const tested = await must(undefined, [program, 'plugin', 'test', 'folder', '-c', acme]);
    assert.match(tested, /^1\.\.\d+$/m, 'a store in one file beside it, by its path');
    const megabytes = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
    t.diagnostic(
      `the file: ${megabytes((await stat(program)).size)}, resident: ${megabytes(await residentBytes(alone.pid))}`,
    );
    assert.deepEqual(await Promise.all([alone.stop(), byNode.stop()]), [0, 0]);
  },
);
