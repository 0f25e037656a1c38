import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type Endpoint, hasCode, parsePublicKey, SecretKey, StunmeshError } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createFakeClock } from '#src/testing/index.js';
import { wordsOf } from '#src/wireguard/platform.js';
import { createWgToolBackend, formatSet } from '#src/wireguard/wg-tool.js';
import { visible } from './visible.js';

const folder = mkdtempSync(join(tmpdir(), 'smt-tool-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const STDIN = process.platform === 'linux' ? '/proc/self/fd/0' : '/dev/stdin';
const names = { name: 'wg0', realName: 'wg0' };
const options = { signal: new AbortController().signal };
const endpoint: Endpoint = { family: 4, address: '192.0.2.1', port: 7 };
const randomKey = () => {
  const key = parsePublicKey(randomBytes(32).toString('base64'));
  assert.ok(key);
  return key;
};

/** A program in the place of wg that misbehaves as no real one can be made to. */
let scripts = 0;
function script(body: string, mode = 0o755): string {
  scripts += 1;
  const path = join(folder, `wg${scripts}`);
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode });
  return path;
}

const openTool = (command: string) => createWgToolBackend({ clock: createSystemClock(), command });

test('F17 formatSet writes the words of wg(8)', () => {
  const [a, b] = [randomKey(), randomKey()];
  assert.deepEqual(
    formatSet('wg0', [
      { publicKey: a, updateOnly: true, endpoint: { family: 6, address: 'fe80::1', port: 9, zone: 'eth0' } },
      { publicKey: b, keepaliveSeconds: 0 },
    ]),
    ['set', 'wg0', 'peer', a, 'endpoint', '[fe80::1%eth0]:9', 'peer', b, 'persistent-keepalive', 'off'],
  );
});

test('F18b formatSet removes and adds in one argument list, the preshared key by standard input', () => {
  const a = randomKey();
  const presharedKey = new SecretKey(randomBytes(32));
  const args = formatSet('wg0', [
    { publicKey: a, remove: true },
    { publicKey: a, presharedKey, endpoint, keepaliveSeconds: 25, allowedIps: ['10.0.0.1/32', '::/0'] },
  ]);
  assert.deepEqual(args, [
    ...['set', 'wg0', 'peer', a, 'remove', 'peer', a, 'preshared-key', STDIN, 'endpoint', '192.0.2.1:7'],
    ...['persistent-keepalive', '25', 'allowed-ips', '10.0.0.1/32,::/0'],
  ]);
});

test('F34 a preshared key reaches wg by its standard input, never by its arguments or environment', async () => {
  const seen = join(folder, 'seen');
  const command = script(
    `{ echo "$@"; env; tr '\\0' ' ' </proc/$PPID/cmdline; } >${seen}.args; cat ${STDIN} >${seen}.stdin`,
  );
  const presharedKey = new SecretKey(randomBytes(32));
  const text = Buffer.from(presharedKey.expose()).toString('base64');
  process.env['SMT_TOKEN'] = 'for others';
  await openTool(command).write(names, [{ publicKey: randomKey(), presharedKey, endpoint }], options);
  delete process.env['SMT_TOKEN'];
  assert.equal(readFileSync(`${seen}.stdin`, 'utf8'), text);
  const shown = readFileSync(`${seen}.args`, 'utf8');
  assert.match(shown, new RegExp(`preshared-key ${STDIN}`));
  assert.equal(shown.includes(text), false);
  assert.equal(shown.includes('SMT_TOKEN'), false, 'the environment is not handed on');
});

test('many peers are split over calls of at most 500', async () => {
  const counts = join(folder, 'counts');
  const command = script(`echo $# >>${counts}`);
  const writes = Array.from({ length: 1201 }, () => ({ publicKey: randomKey(), endpoint }));
  await openTool(command).write(names, writes, options);
  assert.deepEqual(readFileSync(counts, 'utf8').trim().split('\n').map(Number), [2002, 2002, 806]);
});

test('F39 no wg in PATH: ERR_WG_NOT_FOUND with the command that installs it', async () => {
  for (const command of ['smt-no-such-command', join(folder, 'absent')]) {
    const error = await openTool(command)
      .read(names, options)
      .catch((e: unknown) => e);
    assert.ok(hasCode(error, 'ERR_WG_NOT_FOUND'));
    assert.ok(String(error).includes(wordsOf().install));
  }
  const publicKey = randomKey();
  const presharedKey = new SecretKey(randomBytes(32));
  await assert.rejects(
    openTool('smt-no-such-command').write(names, [{ publicKey, presharedKey }], options),
    (e: unknown) => hasCode(e, 'ERR_WG_NOT_FOUND'),
  );
});

test('F39 a wg that may not be executed: ERR_WG_PERMISSION', async () => {
  await assert.rejects(openTool(script('exit 0', 0o644)).read(names, options), (e: unknown) =>
    hasCode(e, 'ERR_WG_PERMISSION'),
  );
});

test("wg's own words for every device are no device's names", async () => {
  for (const realName of ['all', 'interfaces'])
    await assert.rejects(openTool(script('echo a b')).read({ name: realName, realName }, options), (e: unknown) =>
      hasCode(e, 'ERR_WG_DEVICE_NOT_FOUND'),
    );
});

test('list() reads names; a failure of it names no device', async () => {
  assert.deepEqual(await openTool(script('echo wg0 wg1')).list(options), ['wg0', 'wg1']);
  assert.deepEqual(await openTool(script('echo')).list(options), []);
  const error = await openTool(script('echo oh >&2; exit 3'))
    .list(options)
    .catch((e: unknown) => e);
  assert.match(String(error), /WireGuard: .* failed \(exit status 3\): oh/);
});

test('what wg says becomes a code: no such device, no permission, anything else', async () => {
  const cases = [
    ['Unable to access interface: No such device', 'ERR_WG_DEVICE_NOT_FOUND'],
    ['Unable to access interface: Protocol not supported', 'ERR_WG_DEVICE_NOT_FOUND'],
    ['Unable to modify interface: No such device', 'ERR_WG_DEVICE_NOT_FOUND'],
    ['Unable to access interface: Device not configured', 'ERR_WG_DEVICE_NOT_FOUND'],
    ['Unable to access interface: Connection refused', 'ERR_WG_DEVICE_NOT_FOUND'],
    ['Unable to access interface: Invalid argument', 'ERR_WG_DEVICE_NOT_FOUND'],
    ['Unable to access interface: Inappropriate ioctl for device', 'ERR_WG_DEVICE_NOT_FOUND'],
    ['Unable to modify interface: Invalid argument', 'ERR_WG_FAILED'],
    ['Unable to access interface: Operation not permitted', 'ERR_WG_PERMISSION'],
    ['Unable to access interface: Permission denied', 'ERR_WG_PERMISSION'],
    ['fopen: No such file or directory', 'ERR_WG_FAILED'],
  ] as const;
  for (const [said, code] of cases) {
    const backend = openTool(script(`echo '${said}' >&2; exit 1`));
    await assert.rejects(backend.read(names, options), (e: unknown) => hasCode(e, code), said);
  }
});

test('F34 nothing that looks like (part of) a key gets from stdout or stderr into an error', async () => {
  const secret = randomBytes(32).toString('base64');
  for (const form of [secret, secret.slice(0, 30), Buffer.from(secret, 'base64').toString('hex')]) {
    const failing = openTool(script(`echo '${form}'; echo 'Key is not the correct length: ${form}' >&2; exit 1`));
    const error = await failing.read(names, options).catch((e: unknown) => e);
    assert.ok(hasCode(error, 'ERR_WG_FAILED'));
    assert.match(String(error), /exit status 1.*Key is not the correct length: \[key\]/);
    assert.equal(visible(error).includes(form.slice(0, 20)), false);
    const lying = openTool(script(`printf '${form}\\t${form}\\t1\\toffline\\n'`));
    const other = await lying.read(names, options).catch((e: unknown) => e);
    assert.ok(hasCode(other, 'ERR_WG_PROTOCOL'));
    assert.equal(visible(other).includes(form.slice(0, 20)), false);
  }
});

test('F31 a wg that hangs ends at the deadline with all its children, although one holds its output', async () => {
  const fifo = join(folder, 'started');
  execFileSync('mkfifo', [fifo]);
  const clock = createFakeClock();
  const backend = createWgToolBackend({ clock, command: script(`sleep 600 & echo $$ $! >${fifo}; wait`) });
  const call = backend.read(names, options).catch((e: unknown) => e);
  const pids = (await readFile(fifo, 'utf8')).trim().split(' ').map(Number);
  assert.equal(pids.length, 2);
  await clock.advance(10_000);
  const error = await call;
  assert.ok(hasCode(error, 'ERR_DEADLINE'));
  assert.match(String(error), /"wg0".*10000 ms/);
  for (const pid of pids) await gone(pid);
});

test('F31 the caller’s own signal ends it by its reason', async () => {
  const fifo = join(folder, 'started2');
  execFileSync('mkfifo', [fifo]);
  const caller = new AbortController();
  const backend = openTool(script(`echo $$ >${fifo}; sleep 600`));
  const call = backend.read(names, caller).catch((e: unknown) => e);
  const pid = Number(await readFile(fifo, 'utf8'));
  const reason = new StunmeshError('ERR_CLOSED', 'closed');
  caller.abort(reason);
  assert.equal(await call, reason);
  await gone(pid);
});

test('F31 a wg that never stops writing is ended at the output cap, and costs no more than reading it', async () => {
  const before = process.cpuUsage();
  await assert.rejects(openTool(script('yes')).read(names, options), (error: unknown) => {
    assert.match(String(error), /more than 33554432 characters/);
    return hasCode(error, 'ERR_WG_PROTOCOL');
  });
  const { user, system } = process.cpuUsage(before);
  // A tenth of it on a quiet machine; six seconds where the output went into a message that nobody reads.
  assert.ok(user + system < 3_000_000, `${user + system} µs`);
});

/** Resolves when the process is gone or a zombie that its parent has yet to reap. */
async function gone(pid: number): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; ) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    if (stat === undefined || stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')) return;
  }
  assert.fail(`process ${pid} lives on`);
}
