/** The command: exit codes, sentences, and no stack traces; as a child process where the process is the point. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openControlServer } from '#src/control/server.js';
import type { Snapshot } from '#src/control/snapshot.js';
import { createSystemClock } from '#src/testing/index.js';
import { type Called, callHere } from './call-here.js';

const MAIN = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
const clock = createSystemClock();
const STACK = /^\s+at .*:\d+:\d+/m;

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-cli-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Calls the command in this process, in an empty folder of its own or in `cwd`. */
async function stunmesh(
  t: TestContext,
  args: readonly string[],
  { cwd }: { readonly cwd?: string } = {},
): Promise<Called> {
  return await callHere(args, cwd ?? (await folder(t)));
}

/** Runs the command in an empty folder of its own, or in `cwd`, with nothing of our environment but PATH. */
async function start(
  t: TestContext,
  args: readonly string[],
  options: { readonly cwd?: string; readonly until?: RegExp } = {},
): Promise<Omit<Called, 'code'> & { readonly code: number | null }> {
  const cwd = options.cwd ?? (await folder(t));
  const child = spawn(process.execPath, [MAIN, ...args], { cwd, env: { PATH: process.env['PATH'] ?? '', HOME: cwd } });
  t.after(() => child.kill('SIGKILL'));
  let interrupted = false;
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    if (!interrupted && options.until?.test(stdout)) interrupted = child.kill('SIGINT');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

test('--version and -version print the version of the package', async (t) => {
  const { version } = JSON.parse(await readFile(join(MAIN, '../../../package.json'), 'utf8')) as { version: string };
  for (const flag of ['--version', '-version', '-version=true']) {
    const { code, stdout, stderr } = await (flag === '-version' ? start : stunmesh)(t, [flag]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: `${version}\n`, stderr: '' }, flag);
  }
});

test('--help and -help name the options and commands', async (t) => {
  for (const flag of ['--help', '-help', '-h']) {
    const { code, stdout } = await stunmesh(t, [flag]);
    assert.equal(code, 0);
    for (const word of ['--oneshot', '--config', '--config-dir', '--log-level', 'status', 'config', 'stun-server'])
      assert.ok(stdout.includes(word), word);
  }
});

test('an unknown flag is refused with the usage, exit 2', async (t) => {
  for (const flag of ['--nonsense', '-nonsense', '--onshot']) {
    const { code, stdout, stderr } = await (flag === '--onshot' ? start : stunmesh)(t, [flag]);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /unknown option/);
    assert.match(stderr, /[Uu]sage/);
    assert.doesNotMatch(stderr, STACK);
  }
});

test('a value that a flag does not take is refused, exit 2', async (t) => {
  for (const args of [['--log-level', 'loud'], ['--timeout', 'soon'], ['--timeout', '0'], ['--config']]) {
    const { code, stderr } = await stunmesh(t, args);
    assert.equal(code, 2, args.join(' '));
    assert.notEqual(stderr, '');
    assert.doesNotMatch(stderr, STACK);
  }
});

test('F40 no configuration found: exit 2, and all places are named', async (t) => {
  const cwd = await folder(t);
  const { code, stderr } = await stunmesh(t, [], { cwd });
  assert.equal(code, 2);
  for (const place of ['/etc/stunmesh', join(cwd, '.stunmesh')]) assert.ok(stderr.includes(place), stderr);
  assert.match(stderr, /\[ERR_CONFIG/);
  assert.doesNotMatch(stderr, STACK);
});

test('F40 a named configuration that is not there: exit 2', async (t) => {
  for (const args of [['-c', 'none.yaml'], ['-config=none.yaml'], ['--config-dir', 'none'], ['-config-dir', 'none']]) {
    const { code, stderr } = await stunmesh(t, args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, /none/);
    assert.match(stderr, /\[ERR_CONFIG/);
  }
});

test('F40 a mistake in the configuration: exit 2, with file, line and column, and no stack', async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, 'bad.yaml'), 'refresh_interval: 10\nstun: {addresses: a.b:1}\nrefresh_intervall: 5m\n');
  const { code, stderr } = await stunmesh(t, ['-c', 'bad.yaml'], { cwd });
  assert.equal(code, 2);
  assert.match(stderr, /bad\.yaml:1:\d+/);
  assert.match(stderr, /bad\.yaml:3:\d+/);
  assert.doesNotMatch(stderr, STACK);
});

test('a stack trace only with --log-level debug', async (t) => {
  const quiet = await stunmesh(t, ['-c', 'none.yaml']);
  const loud = await start(t, ['-c', 'none.yaml', '--log-level', 'debug']);
  assert.doesNotMatch(quiet.stderr, STACK);
  assert.match(loud.stderr, STACK);
});

test('F39 a run_dir that cannot be used: exit 1, with the remedy, and no stack', async (t) => {
  const cwd = await folder(t);
  await writeFile(join(cwd, 'file'), '');
  await mkdir(join(cwd, 'store'));
  await writeFile(
    join(cwd, 'config.yaml'),
    `run_dir: ${cwd}/file/run
state_dir: ${cwd}/state
stun: {addresses: ['192.0.2.1:3478']}
interfaces:
  wgnone0:
    peers:
      b: {public_key: 'D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=', plugin: s}
plugins:
  s: {type: shell, command: 'true'}
`,
  );
  const { code, stdout, stderr } = await start(t, ['--config-dir', cwd, '-oneshot=true', '-timeout=2s'], { cwd });
  assert.equal(code, 1, stderr + stdout);
  assert.match(stderr, /run_dir|capture|permission|root/i);
  assert.match(stderr, /\[ERR_/);
  assert.doesNotMatch(stderr, STACK);
});

test('status where no daemon runs: exit 1 and what to do', async (t) => {
  const cwd = await folder(t);
  for (const args of [
    ['status', '--run-dir', cwd],
    ['status', 'wg7', '--run-dir', cwd],
    ['status', '--json', '--watch', '--run-dir', join(cwd, 'none')],
  ]) {
    const { code, stdout, stderr } = await stunmesh(t, args, { cwd });
    assert.equal(code, 1, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /\[ERR_CONTROL_NOT_RUNNING\]/);
    assert.doesNotMatch(stderr, STACK);
  }
});

const SNAPSHOT: Snapshot = {
  type: 'snapshot',
  version: 1,
  stunmesh: '9.9.9',
  pid: 4711,
  startedAt: 0,
  clockSane: true,
  devices: [
    {
      name: 'wg0',
      state: 'up',
      listenPort: 51820,
      reflexive: { ipv4: '203.0.113.5:40000' },
      discoveries: 1,
      errors: [],
      peers: [],
    },
  ],
  stores: [],
};

test('status shows each daemon of the folder, for people and as JSON', async (t) => {
  const cwd = await folder(t);
  for (const name of ['wg0', 'wg1']) {
    const server = await openControlServer(join(cwd, `${name}.sock`), {
      clock: createSystemClock(),
      snapshot: () => [JSON.stringify(SNAPSHOT)],
    });
    t.after(() => server[Symbol.asyncDispose]());
  }
  const people = await start(t, ['status', '--run-dir', cwd]);
  assert.equal(people.code, 0, people.stderr);
  assert.match(people.stdout, /wg0/);
  assert.match(people.stdout, /203\.0\.113\.5:40000/);
  const json = await stunmesh(t, ['status', '--json', '--run-dir', cwd]);
  const lines = json.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Snapshot);
  assert.deepEqual(lines, [SNAPSHOT, SNAPSHOT]);
  const one = await stunmesh(t, ['status', 'wg1', '--json', '--run-dir', cwd]);
  assert.equal(one.stdout.trim().split('\n').length, 1);
});

test('status --json --watch: a snapshot, then events, until it is interrupted', async (t) => {
  const cwd = await folder(t);
  const server = await openControlServer(join(cwd, 'wg0.sock'), {
    clock: createSystemClock(),
    snapshot: () => [JSON.stringify(SNAPSHOT)],
  });
  t.after(() => server[Symbol.asyncDispose]());
  let publishing = true;
  const publish = async () => {
    for (let at = 0; publishing; at += 1) {
      server.publish({ type: 'event', event: 'phase', at, device: 'wg0', peer: 'b', to: 'connected' });
      await clock.sleep(5);
    }
  };
  void publish();
  const watched = await start(t, ['status', '--json', '--watch', '--run-dir', cwd], { until: /"event":"phase"/ });
  publishing = false;
  const [first, second] = watched.stdout.split('\n').map((line) => JSON.parse(line || '{}') as Record<string, unknown>);
  assert.equal(first?.['type'], 'snapshot');
  assert.equal(second?.['to'], 'connected');
  assert.equal(watched.code, 0, watched.stderr);
  assert.equal(watched.stderr, '');
});

test('output that cannot be written is a failure; a reader that went away is none', () => {
  const run = (redirection: string) =>
    spawnSync('bash', [
      '-c',
      `"$0" "$1" completion bash ${redirection}; exit "\${PIPESTATUS[0]}"`,
      process.execPath,
      MAIN,
    ]).status;
  assert.equal(run('>/dev/full'), 1);
  assert.equal(run('| true'), 0);
});
