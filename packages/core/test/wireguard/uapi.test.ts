import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { hasCode, parsePublicKey } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createFakeClock, settle } from '#src/testing/index.js';
import { createUapiBackend } from '#src/wireguard/uapi.js';
import { visible } from './visible.js';

const dir = mkdtempSync(join(tmpdir(), 'smt-uapi-'));
const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
  rmSync(dir, { recursive: true, force: true });
});

const options = { signal: new AbortController().signal };
const backend = createUapiBackend({ clock: createSystemClock(), dir });
const ANSWER = `private_key=${'01'.repeat(32)}\nlisten_port=7\nfwmark=0\nerrno=0\n\n`;

let made = 0;
/** A socket that misbehaves as a real implementation cannot be made to; the well-behaved one is in conformance.test. */
async function serve(onRequest: (socket: Socket, request: string) => void) {
  made += 1;
  const name = `u${made}`;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', (request: string) => onRequest(socket, request));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(join(dir, `${name}.sock`), resolve));
  return { names: { name, realName: name }, sockets };
}

test('an answer that comes in pieces is read, and the connection is closed', async () => {
  const { names, sockets } = await serve((socket, request) => {
    assert.equal(request, 'get=1\n\n');
    const send = (at: number) => {
      if (at < ANSWER.length) socket.write(ANSWER.slice(at, at + 7), () => send(at + 7));
    };
    send(0);
  });
  const { device } = await backend.read(names, options);
  assert.equal(device.listenPort, 7);
  await settle(20);
  assert.equal(sockets.size, 0);
});

test('no socket, a file in its place, and a dead socket: ERR_WG_DEVICE_NOT_FOUND', async () => {
  writeFileSync(join(dir, 'file.sock'), '');
  for (const name of ['absent', 'file'])
    await assert.rejects(backend.read({ name, realName: name }, options), (e: unknown) =>
      hasCode(e, 'ERR_WG_DEVICE_NOT_FOUND'),
    );
});

test('a socket that closes early, or says something else: ERR_WG_PROTOCOL', async () => {
  const secret = randomBytes(32).toString('hex');
  for (const said of ['', `private_key=${secret}\n`, `private_key=${secret}x\nerrno=0\n\n`, `${secret}\nerrno=0\n\n`]) {
    const { names } = await serve((socket) => socket.end(said));
    const error = await backend.read(names, options).catch((e: unknown) => e);
    assert.ok(hasCode(error, 'ERR_WG_PROTOCOL'), visible(error));
    assert.equal(visible(error).includes(secret.slice(0, 20)), false);
  }
});

test('a refused write is ERR_WG_FAILED with its errno', async () => {
  const { names } = await serve((socket) => socket.write('errno=-22\n\n'));
  const publicKey = parsePublicKey(randomBytes(32).toString('base64'));
  assert.ok(publicKey);
  const error = await backend.write(names, [{ publicKey, keepaliveSeconds: 5 }], options).catch((e: unknown) => e);
  assert.ok(hasCode(error, 'ERR_WG_FAILED'));
  assert.match(String(error), /errno 22/);
});

test('F31 a socket that never answers ends at the deadline', async () => {
  const { promise: asked, resolve } = withResolvers();
  const { names, sockets } = await serve(() => resolve());
  const clock = createFakeClock();
  const call = createUapiBackend({ clock, dir })
    .read(names, options)
    .catch((e: unknown) => e);
  await asked;
  await clock.advance(5_000);
  const error = await call;
  assert.ok(hasCode(error, 'ERR_DEADLINE'));
  assert.match(String(error), new RegExp(`"${names.name}".*5000 ms`));
  await settle(20);
  assert.equal(sockets.size, 0, 'the connection is closed');
  assert.equal(clock.pending, 0);
});

test('F31 the caller’s own signal ends it by its reason', async () => {
  const { promise: asked, resolve } = withResolvers();
  const { names } = await serve(() => resolve());
  const caller = new AbortController();
  const call = backend.read(names, caller).catch((e: unknown) => e);
  await asked;
  const reason = new Error('enough');
  caller.abort(reason);
  assert.equal(await call, reason);
});

test('F31 a socket that never stops is ended at the cap', async () => {
  const chunk = 'unknown=1\n'.repeat(100_000);
  const { names } = await serve((socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(chunk)) {}
    };
    socket.on('drain', more);
    more();
  });
  await assert.rejects(backend.read(names, options), (error: unknown) => {
    assert.match(String(error), /more than 33554432 characters/);
    return hasCode(error, 'ERR_WG_PROTOCOL');
  });
});

test('list() names the sockets of the folder, and none where there is no folder', async () => {
  writeFileSync(join(dir, 'wg9.name'), 'utun9\n');
  const names = await backend.list(options);
  assert.ok(names.includes('u1'));
  assert.equal(names.includes('wg9'), false);
  const elsewhere = createUapiBackend({ clock: createSystemClock(), dir: join(dir, 'none') });
  assert.deepEqual(await elsewhere.list(options), []);
});

function withResolvers(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve: () => resolve() };
}
