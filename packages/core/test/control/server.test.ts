/** The control socket, for real: who may ask, what it answers, and whom it drops. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hasCode } from '#src/api/index.js';
import { findControlSockets, openStream, readSnapshot } from '#src/control/client.js';
import { openControlServer } from '#src/control/server.js';
import type { ControlEvent, Snapshot } from '#src/control/snapshot.js';
import { createSystemClock } from '#src/testing/index.js';

const clock = createSystemClock();

const SNAPSHOT: Snapshot = {
  type: 'snapshot',
  version: 1,
  stunmesh: '1.2.3',
  pid: 7,
  startedAt: 1,
  clockSane: true,
  devices: [],
  stores: [],
};
const event = (n: number, filler = ''): ControlEvent => ({
  type: 'event',
  event: 'test',
  at: n,
  device: 'wg0',
  filler,
});

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-control-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function open(t: TestContext, snapshot = () => SNAPSHOT) {
  const path = join(await folder(t), 'run', 'wg0.sock');
  const server = await openControlServer(path, {
    clock: createSystemClock(),
    snapshot: () => [JSON.stringify(snapshot())],
  });
  t.after(() => server[Symbol.asyncDispose]());
  return { path, server };
}

/** A bare connection; `lines(n)` waits for so many lines. */
async function connect(t: TestContext, path: string) {
  const socket: Socket = createConnection({ path });
  t.after(() => socket.destroy());
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  socket.setEncoding('utf8');
  const seen = { text: '' };
  // Always there: a stream without a listener throws its data away.
  socket.on('data', (chunk: string) => {
    seen.text += chunk;
  });
  const lines = async (count: number): Promise<readonly string[]> => {
    for (;;) {
      const all = seen.text.split('\n').slice(0, -1);
      if (all.length >= count) return all;
      await new Promise<void>((resolve) => void socket.once('data', () => resolve()));
    }
  };
  return { socket, closed, lines, seen };
}

test('a snapshot for who asks, in a socket that its owner alone may use', async (t) => {
  const { path } = await open(t);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(path, '..'))).mode & 0o777, 0o700);
  using deadline = clock.deadline(5_000);
  assert.deepEqual(await readSnapshot(path, deadline.signal), SNAPSHOT);
});

test('events: a snapshot first, then each as it happens, to all listeners; it ends with the daemon', async (t) => {
  const { path, server } = await open(t);
  using deadline = clock.deadline(5_000);
  const heard = async () => {
    const got: (Snapshot | ControlEvent)[] = [];
    for await (const message of openStream(path, 'events', deadline.signal)) {
      got.push(message);
      if (got.length === 1) ready();
    }
    return got;
  };
  let waiting = 2;
  let ready = () => {};
  const both = new Promise<void>((resolve) => {
    ready = () => {
      waiting -= 1;
      if (waiting === 0) resolve();
    };
  });
  const listeners = [heard(), heard()];
  await both;
  server.publish(event(1));
  server.publish(event(2, 'ü\n"'));
  await clock.sleep(50);
  await server[Symbol.asyncDispose]();
  for (const got of await Promise.all(listeners)) assert.deepEqual(got, [SNAPSHOT, event(1), event(2, 'ü\n"')]);
});

test('garbage is answered by an error line, and the connection serves on', async (t) => {
  const { path } = await open(t);
  const { socket, lines } = await connect(t, path);
  socket.write('hello\n[1]\nnull\n{"op":"rm -rf"}\n\u0000\u0001\n{"op":"snapshot"}\n');
  const answers = (await lines(6)).map((line) => JSON.parse(line) as { type: string; code?: string });
  assert.deepEqual(
    answers.map((a) => a.type),
    ['error', 'error', 'error', 'error', 'error', 'snapshot'],
  );
  assert.equal(answers[0]?.code, 'ERR_CONTROL_PROTOCOL');
});

test('a request in pieces is one request, two in a piece are two', async (t) => {
  const { path } = await open(t);
  const { socket, lines } = await connect(t, path);
  socket.write('{"op":');
  await clock.sleep(20);
  socket.write('"snapshot"}\n{"op":"snapshot"}\n');
  assert.equal((await lines(2)).length, 2);
});

test('F42 who sends without end is dropped', async (t) => {
  const { path } = await open(t);
  const { socket, closed } = await connect(t, path);
  socket.write('x'.repeat(10_000));
  await closed;
});

test('F42 a listener that does not read is dropped, the others hear on, and the memory is free', async (t) => {
  const { path, server } = await open(t);
  const slow = await connect(t, path);
  slow.socket.write('{"op":"events"}\n');
  await slow.lines(1);
  slow.socket.pause();
  const good = await connect(t, path);
  good.socket.write('{"op":"events"}\n');
  await good.lines(1);
  const filler = 'x'.repeat(64_000);
  for (let n = 0; n < 100; n += 1) {
    server.publish(event(n, filler));
    await clock.sleep(1);
  }
  assert.equal((await good.lines(101)).length, 101);
  slow.socket.resume();
  await slow.closed;
});

test('F42 who asks on and on without reading the answers is dropped', async (t) => {
  const { path } = await open(t, () => ({ ...SNAPSHOT, stunmesh: 'x'.repeat(50_000) }));
  const { socket, closed, seen } = await connect(t, path);
  socket.pause();
  for (let n = 0; n < 500 && !socket.destroyed; n += 1) socket.write('{"op":"snapshot"}\n');
  await clock.sleep(100);
  socket.resume();
  await closed;
  assert.ok(seen.text.length < 10_000_000, `${seen.text.length}`);
});

test('F76 four thousand questions in one piece cost a few answers, and others are served', async (t) => {
  let made = 0;
  const { path } = await open(t, () => {
    made += 1;
    return { ...SNAPSHOT, stunmesh: 'x'.repeat(50_000) };
  });
  const { socket, closed } = await connect(t, path);
  socket.pause();
  socket.write('{"op":"snapshot"}\n'.repeat(4_000));
  const { signal } = new AbortController();
  assert.equal((await readSnapshot(path, signal)).type, 'snapshot');
  assert.ok(made < 100, `${made} answers were made`);
  socket.resume();
  await closed;
});

test('a socket that a crash left behind is replaced', async (t) => {
  const path = join(await folder(t), 'wg0.sock');
  await writeFile(path, '');
  const server = await openControlServer(path, {
    clock: createSystemClock(),
    snapshot: () => [JSON.stringify(SNAPSHOT)],
  });
  t.after(() => server[Symbol.asyncDispose]());
  using deadline = clock.deadline(5_000);
  assert.equal((await readSnapshot(path, deadline.signal)).pid, 7);
});

test('F41 closing ends all connections, removes the socket, and may be done twice', async (t) => {
  const { path, server } = await open(t);
  const { socket, closed, lines } = await connect(t, path);
  socket.write('{"op":"events"}\n');
  await lines(1);
  await server[Symbol.asyncDispose]();
  await closed;
  await server[Symbol.asyncDispose]();
  server.publish(event(1));
  assert.deepEqual(await readdir(join(path, '..')), []);
});

test('F39 a run_dir that cannot be used is ERR_RUN_DIR with the way out', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'file'), '');
  const told = (error: unknown) => hasCode(error, 'ERR_RUN_DIR') && /run_dir/.test(String(error));
  await assert.rejects(
    openControlServer(join(dir, 'file', 'wg0.sock'), {
      clock: createSystemClock(),
      snapshot: () => [JSON.stringify(SNAPSHOT)],
    }),
    told,
  );
  await assert.rejects(
    openControlServer(join(dir, 'x'.repeat(120), 'wg0.sock'), {
      clock: createSystemClock(),
      snapshot: () => [JSON.stringify(SNAPSHOT)],
    }),
    told,
    'a path too long for a socket',
  );
});

test('F39 no daemon, a dead socket, no permission: ERR_CONTROL_NOT_RUNNING; another program: ERR_CONTROL_PROTOCOL', async (t) => {
  const dir = await folder(t);
  const path = join(dir, 'wg0.sock');
  using deadline = clock.deadline(5_000);
  const ask = () => readSnapshot(path, deadline.signal);
  await assert.rejects(ask(), (error) => hasCode(error, 'ERR_CONTROL_NOT_RUNNING'));
  await writeFile(path, '');
  await assert.rejects(ask(), (error) => hasCode(error, 'ERR_CONTROL_NOT_RUNNING'));
  await rm(path);
  for (const [answer, code] of [
    ['HTTP/1.1 400\r\n\r\n', 'ERR_CONTROL_PROTOCOL'],
    ['', 'ERR_CONTROL_PROTOCOL'],
  ] as const) {
    const other = createServer((socket) => socket.resume().end(answer));
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await chmod(path, 0o600);
    await assert.rejects(ask(), (error) => hasCode(error, code), JSON.stringify(answer));
    await new Promise((resolve) => other.close(resolve));
  }
});

test('a daemon that does not answer is given up', async (t) => {
  const path = join(await folder(t), 'wg0.sock');
  const sockets = new Set<Socket>();
  const mute = createServer((socket) => sockets.add(socket));
  await new Promise<void>((resolve) => mute.listen(path, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    mute.close();
  });
  using deadline = clock.deadline(100);
  await assert.rejects(readSnapshot(path, deadline.signal), (error) => hasCode(error, 'ERR_CONTROL_PROTOCOL'));
});

test('findControlSockets lists the sockets of a folder in order, and nothing where there is none', async (t) => {
  const dir = await folder(t);
  for (const name of ['wg1.sock', 'wg0.sock', 'wg0.lock']) await writeFile(join(dir, name), '');
  assert.deepEqual(await findControlSockets(dir), [join(dir, 'wg0.sock'), join(dir, 'wg1.sock')]);
  assert.deepEqual(await findControlSockets(join(dir, 'none')), []);
});
