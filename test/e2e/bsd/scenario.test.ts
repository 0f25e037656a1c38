/** The scenario for a real FreeBSD kernel, as far as a Linux can run it: its commands by Linux's means, all else real. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parseTap, putService, runScript, SCRIPT } from '../../freebsd/dry-run.js';
import { must, REPOSITORY } from '../lab/index.js';
import { skipReason } from '../lab/steps/lab-test.js';
import { RUNTIMES, type Runtime, runtimePath } from '../packaging/steps/bundle-made.js';

const FIXTURE = join(REPOSITORY, 'test/fixtures/freebsd/linux.sh');
const COMMANDS = [
  ...['uname', 'kldload', 'sockstat', 'netstat', 'sysctl', 'jail', 'jexec', 'ifconfig', 'route', 'pfctl', 'ping'],
];
const BSD_TESTS = join(REPOSITORY, 'packages/capture-bsd/dist-test');

/** One run of the script in a namespace of its own, as if that were the machine; and what is left after it. */
async function runScenario(runtime: Runtime, capture: string, addon: string) {
  // Short: control sockets lie below it.
  const folder = await mkdtemp(join(tmpdir(), 'f-'));
  try {
    const [bin, bundle] = [join(folder, 'bin'), join(folder, 'bundle')];
    for (const path of [bin, bundle, join(folder, 'tmp')]) await mkdir(path);
    for (const command of COMMANDS) await symlink(FIXTURE, join(bin, command));
    const program = pathToFileURL(join(REPOSITORY, 'packages/core/dist/cli/main.js')).href;
    await writeFile(join(bundle, 'stunmesh.js'), `import('${program}');\n`);
    await copyFile(addon, join(bundle, 'stunmesh_capture.node'));
    const standIns = await putService(folder, bundle);
    const inside = 'echo $$ >"$STUB/host"; exec sh "$@"';
    const { code, output } = await runScript(['unshare', '-n', 'sh', '-c', inside, 'sh', SCRIPT, bundle], {
      env: {
        PATH: `${bin}:${process.env['PATH'] ?? ''}`,
        STUB: folder,
        TMPDIR: join(folder, 'tmp'),
        JS: runtimePath(runtime),
        CAPTURE: capture,
        // daemon(8) and rc.subr(8) of both.
        RC_RELEASE: runtime === 'node' ? '13' : '15',
        ...standIns,
      },
    });
    return { runtime, code, output, left: readdirSync(join(folder, 'tmp')) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('F10 test/freebsd/run.sh passes from its first line to its last, by node and by bun, with the addon of FreeBSD over an emulated kernel', {
  skip: skipReason(),
}, async (t) => {
  const capture = join(BSD_TESTS, 'addon-capture-freebsd.js');
  if (!existsSync(capture)) return t.skip('needs the compiled tests of capture-bsd');
  const { foreignAddon } = (await import(pathToFileURL(join(BSD_TESTS, 'addon-lab.js')).href)) as {
    foreignAddon(system: 'freebsd'): string;
  };
  const addon = foreignAddon('freebsd');
  const runs = await Promise.all(RUNTIMES.map((runtime) => runScenario(runtime, capture, addon)));
  const namespaces = await must(undefined, ['ip', 'netns', 'list']);
  for (const { runtime, code, output, left } of runs) {
    assert.equal(code, 0, `${runtime}: ${output}`);
    const results = parseTap(output);
    assert.ok(results.length >= 50, `${results.length}`);
    for (const step of [
      'service: and its last line is in the log',
      'routers that let unsolicited UDP in: and the other way',
      'DHT: nodes hold the records of both',
      'one LAN: the tunnel goes by its addresses',
    ])
      assert.ok(results.includes(`ok ${step}`), step);
    // What it does with pf has no Linux behind it.
    assert.deepEqual(
      results.filter((line) => !line.startsWith('ok ')),
      ['skip port mapping: by miniupnpd'],
    );
    // What each step saw is told; keys are not.
    for (const seen of [
      /198\.51\.100\.2:40000/,
      /connected {2}203\.0\.113\.2:51820/,
      /discoveries: \d+ before, \d+ now/,
    ])
      assert.match(output, seen);
    assert.doesNotMatch(output, /[A-Za-z0-9+/]{43}=/);
    assert.deepEqual(left, []);
    const mark = /smt\d+/.exec(output)?.[0];
    assert.ok(mark && !namespaces.includes(mark), 'no namespace is left');
  }
});
