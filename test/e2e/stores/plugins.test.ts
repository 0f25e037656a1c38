/** Exec and shell plugins as the store of a pair, and a pair whose ends use different plugins on one folder. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Lab, REPOSITORY } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { Folder, open, timeOf } from '../lab/steps/records.js';

const PAIR = { sides: { a: {}, b: {} }, coturn: [1, 2] } as const;
type Plugin = Readonly<Record<string, unknown>>;

const fixture = (name: string): string => join(REPOSITORY, 'test/fixtures/e2e', name);
const shell = (lab: Lab): Plugin => ({ type: 'shell', command: fixture('shell-store.sh'), args: [lab.storeDir] });
const exec = (lab: Lab): Plugin => ({ type: 'exec', command: fixture('exec-store.mjs'), args: [lab.storeDir] });

for (const [name, plugin] of [
  ['shell', shell],
  ['exec', exec],
] as const) {
  labTest(`a pair connects by a store that is a ${name} plugin`, PAIR, async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await startAll([a, b], { plugins: { folder: plugin(lab) } });
    await expectTunnel(a, b);
  });
}

labTest('F34 a plugin gets none of the descriptors of the daemon that runs it', PAIR, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const list = join(lab.dir, 'descriptors');
  // Above 2: what the shell keeps of its own three, and what this test itself was given.
  const script = `for each in /proc/$$/fd/*; do echo "\${each##*/} $(readlink "$each")"; done >>${list}; exec ${fixture('shell-store.sh')} ${lab.storeDir}`;
  await startAll([a, b], { plugins: { folder: { type: 'shell', command: 'sh', args: ['-c', script] } } });
  await expectTunnel(a, b);
  const seen = (await readFile(list, 'utf8')).split('\n');
  assert.ok(seen.some((line) => line.startsWith('2 ')));
  assert.deepEqual(
    seen.filter((line) => /^(?![012] )\d+ (socket:|anon_inode:)/.test(line)),
    [],
  );
});

labTest(
  'a shell plugin on one side and an exec plugin on the other share one folder of plain records',
  PAIR,
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await Promise.all([
      a.startDaemon({ plugins: { folder: shell(lab) } }),
      b.startDaemon({ plugins: { folder: exec(lab) } }),
    ]);
    await expectTunnel(a, b);
    const value = await new Folder(lab.storeDir).get(a.keys.publicKey, b.keys.publicKey);
    const record = JSON.parse(open(value, a.keys.publicKey, b.keys) ?? '{}') as { ipv4?: string; c?: string };
    assert.equal(record.ipv4, `${a.publicAddress}:51820`);
    assert.ok(Math.abs(timeOf(record.c ?? '') - Date.now() / 1000) < 60);
  },
);

labTest(
  'each peer through a store of its own: a folder for one, a plugin for the other',
  { sides: { a: {}, b: {}, c: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
    const folder = { type: 'builtin', name: 'file', path: join(lab.dir, 'other-store') };
    const plugins = { folder, script: shell(lab) };
    await a.startDaemon({ plugins, peerOverrides: { c: { plugin: 'script' } } });
    await b.startDaemon({ plugins, peers: ['a'] });
    await c.startDaemon({ plugins, peers: ['a'], peerOverrides: { a: { plugin: 'script' } } });
    await Promise.all([expectTunnel(a, b), expectTunnel(a, c)]);
  },
);
