/** `stunmesh status`, `reload` and `explain` beside a control socket; as a child process where somebody else asks. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '#src/api/index.js';
import { callHere } from './call-here.js';

const MAIN = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
const NOBODY = 65_534;

async function stunmesh(args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await callHere(args, process.cwd());
  return { code, out: stdout, err: stderr.replace(/\s+/g, ' ') };
}

function startAs(uid: number, args: readonly string[]): Promise<{ code: number | null; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, ...args], { uid, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString().replace(/\s+/g, ' ');
    });
    child.once('close', (code) => resolve({ code, err }));
  });
}

function peer(name: string, phase: string): object {
  return { name, publicKey: `key-of-${name}`, phase, phaseForMs: 60_000, present: true, reads: 1 };
}

/** A run_dir in which `answer` serves each of the devices. */
async function runDir(t: TestContext, devices: readonly string[], answer: (device: string) => string | undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'status-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const device of devices) {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        const text = answer(device);
        if (text === undefined) socket.destroy();
        else socket.end(text);
      });
    });
    await new Promise<void>((resolve) => server.listen(join(folder, `${device}.sock`), resolve));
    t.after(() => server.close());
  }
  return folder;
}

function snapshot(device: string, peers: readonly object[], pid = 1, more: object = {}): string {
  const stores = [{ name: 'main', gets: 0, sets: 0, failures: 0, state: 'up' }];
  const devices = [
    { name: device, state: 'up', listenPort: 1, reflexive: {}, discoveries: 1, errors: [], peers, ...more },
  ];
  const head = { type: 'snapshot', version: 1, stunmesh: '0', pid, startedAt: Date.now(), clockSane: true };
  return `${JSON.stringify({ ...head, stores, devices })}\n`;
}

test('--peer, --not-connected and --check combine, in the table and in JSON; the exit code is for scripts', async (t) => {
  const peers = [peer('office', 'connected'), peer('van', 'waiting'), peer('cabin', 'connected')];
  const folder = await runDir(t, ['wg0'], (device) => snapshot(device, peers));
  const at = ['--run-dir', folder];
  const all = await stunmesh(['status', ...at]);
  assert.equal(all.code, 0);
  assert.match(all.out, /^1 device, 2 of 3 peers connected/);
  const lost = await stunmesh(['status', '--not-connected', '--check', ...at]);
  assert.equal(lost.code, 1);
  assert.match(lost.out, /van/);
  assert.doesNotMatch(lost.out, /office|cabin/);
  const good = await stunmesh(['status', '--check', '--peer', 'office', '--peer', 'key-of-cabin', '--json', ...at]);
  assert.equal(good.code, 0);
  const names = JSON.parse(good.out).devices[0].peers.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ['office', 'cabin']);
  const slip = await stunmesh(['status', '--peer', 'ofice', ...at]);
  assert.equal(slip.code, 2);
  assert.match(slip.err, /no peer is called "ofice"; did you mean "office"\?/);
});

test('--check minds a port that no router maps, as long as not every peer is connected', async (t) => {
  const error = { code: 'ERR_PORTMAP_NONE', message: 'no router', at: 0 };
  const portMapping = { state: 'failed', mappings: [], error };
  const phases = { wg0: 'connected', wg1: 'idle' } as const;
  const folder = await runDir(t, Object.keys(phases), (device) =>
    snapshot(device, [peer('office', phases[device as keyof typeof phases])], 1, { portMapping }),
  );
  const connected = await stunmesh(['status', 'wg0', '--check', '--run-dir', folder]);
  assert.equal(connected.code, 0);
  assert.match(connected.out, /^ {2}port_mapping: no router \[ERR_PORTMAP_NONE\]$/m);
  const idle = await stunmesh(['status', 'wg1', '--check', '--run-dir', folder]);
  assert.equal(idle.code, 1);
  assert.match(idle.out, /^ {2}! port_mapping: no router \[ERR_PORTMAP_NONE\]$/m);
});

test('one daemon that does not answer hides none of the others', async (t) => {
  const folder = await runDir(t, ['wg0', 'wg1'], (device) =>
    device === 'wg0' ? snapshot(device, [peer('office', 'connected')]) : undefined,
  );
  const { code, out } = await stunmesh(['status', '--run-dir', folder, '--check']);
  assert.equal(code, 1);
  assert.match(out, /office/);
  assert.match(out, /wg1\.sock/);
});

test('who may not look is told so, not that no daemon runs', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to become somebody else');
  const folder = await runDir(t, ['wg0'], (device) => snapshot(device, []));
  await chmod(folder, 0o700);
  const { code, err } = await startAs(NOBODY, ['status', '--run-dir', folder]);
  assert.equal(code, 1);
  assert.match(err, /may not be read \(permission denied\); ask as root/);
});

test('reload sends SIGHUP to the process behind each socket, once', async (t) => {
  const sleeper = spawn('sleep', ['60']);
  t.after(() => sleeper.kill('SIGKILL'));
  const ended = new Promise((resolve) => sleeper.once('close', (_code, signal) => resolve(signal)));
  const folder = await runDir(t, ['wg0', 'wg1'], (device) => snapshot(device, [], sleeper.pid));
  const { code, out } = await stunmesh(['reload', '--run-dir', folder]);
  assert.equal(code, 0);
  assert.equal(out, `process ${sleeper.pid} reads its configuration again; its log says what changed\n`);
  assert.equal(await ended, 'SIGHUP');
});

test('explain knows every code, takes it without ERR_ and in small letters, and suggests', async () => {
  const all = await stunmesh(['explain']);
  assert.deepEqual(all.out.trim().split('\n').sort(), Object.keys(ERROR_CODES).sort());
  const { code, out } = await stunmesh(['explain', 'stun_no_response']);
  assert.equal(code, 0);
  assert.match(out, /^ERR_STUN_NO_RESPONSE\n\nCause: \S[\s\S]*\n\nRemedy: \S/);
  const slip = await stunmesh(['explain', 'ERR_LOKED']);
  assert.equal(slip.code, 2);
  assert.match(slip.err, /did you mean "ERR_LOCKED"\?/);
});

test('version is a command too', async () => {
  const { out } = await stunmesh(['version']);
  assert.equal(out, (await stunmesh(['--version'])).out);
});
