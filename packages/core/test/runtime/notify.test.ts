/** What systemd hears of the service, over a socket as it makes them. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { createNotifier } from '#src/runtime/notify.js';
import { createFakeClock, createMemoryLogger, settle } from '#src/testing/index.js';

/** One line for each datagram; systemd-notify waits until the descriptor that comes with BARRIER=1 is closed, which recv does. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('listening', flush=True)
while True:
    print(s.recv(4096).decode().strip().replace('\\n', ' '), flush=True)
`;

function missing(): string | false {
  try {
    for (const program of ['systemd-notify', 'python3']) execFileSync(program, ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    return process.env['REQUIRE'] === 'all' ? false : 'needs systemd-notify and python3';
  }
}

async function listen(t: TestContext): Promise<{ readonly socket: string; next(): Promise<string> }> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-notify-'));
  const socket = join(dir, 'notify');
  const child: ChildProcess = spawn('python3', ['-c', LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(async () => {
    child.kill('SIGKILL');
    await rm(dir, { recursive: true, force: true });
  });
  const lines: string[] = [];
  const reader: Interface = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  reader.on('line', (line) => line !== 'BARRIER=1' && lines.push(line));
  const next = async (): Promise<string> => {
    while (lines.length === 0) await once(reader, 'line');
    return lines.shift() ?? '';
  };
  assert.equal(await next(), 'listening');
  return { socket, next };
}

test('systemd hears of ready with a status, of signs of life, and of the end', { skip: missing() }, async (t) => {
  const { socket, next } = await listen(t);
  const clock = createFakeClock();
  const logger = createMemoryLogger();
  const env = {
    PATH: process.env['PATH'],
    NOTIFY_SOCKET: socket,
    WATCHDOG_USEC: '60000000',
    WATCHDOG_PID: String(process.pid),
  };
  const notifier = createNotifier({ env, clock, logger });
  assert.ok(notifier);
  await notifier.ready('devices: wg0');
  const ready = await next();
  assert.match(ready, /READY=1/);
  assert.match(ready, /STATUS=devices: wg0/);
  const stop = new AbortController();
  const watching = notifier.watch(stop.signal);
  assert.equal(await next(), 'WATCHDOG=1');
  // The pause begins when systemd-notify has ended.
  while (clock.pending === 0) await settle();
  await clock.advance(29_999);
  assert.equal(clock.pending, 1);
  await clock.advance(1);
  assert.equal(await next(), 'WATCHDOG=1');
  stop.abort();
  await watching;
  await notifier.stopping();
  assert.equal(await next(), 'STOPPING=1');
  assert.deepEqual(logger.lines, []);
});

test('nobody waits: nothing is made; no watchdog, or that of another process: no signs of life', async () => {
  const clock = createFakeClock();
  const logger = createMemoryLogger();
  assert.equal(createNotifier({ env: {}, clock, logger }), undefined);
  assert.equal(createNotifier({ env: { NOTIFY_SOCKET: '' }, clock, logger }), undefined);
  const signal = new AbortController().signal;
  for (const env of [{}, { WATCHDOG_USEC: 'x' }, { WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' }])
    await createNotifier({ env: { NOTIFY_SOCKET: '/nowhere', PATH: '/nowhere', ...env }, clock, logger })?.watch(
      signal,
    );
  assert.deepEqual(logger.lines, []);
});

test('F39 systemd-notify that is missing is named once, with what to do; nothing fails', async () => {
  const logger = createMemoryLogger();
  const env = { NOTIFY_SOCKET: '/nowhere', PATH: '/nowhere' };
  const notifier = createNotifier({ env, clock: createFakeClock(), logger });
  await notifier?.ready('x');
  await notifier?.stopping();
  assert.equal(logger.lines.length, 1);
  assert.match(logger.text(), /^warn systemd-notify is missing.*Type=exec/);
});
