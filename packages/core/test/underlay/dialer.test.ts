/** Connections of stores and questions for names, with and without a tunnel that takes over the default way. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type CaptureModule, type Clock, type DatagramSocketOptions, StunmeshError } from '#src/api/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createFakeClock, settle } from '#src/testing/fake-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';
import { createDialer, type Dialer, type DialerOptions } from '#src/underlay/dialer.js';
import { mayBeInside, type TunnelDevice } from '#src/underlay/full-tunnel.js';

const free = new AbortController().signal;
const MARK = 0xca6c;
const FULL: TunnelDevice = { name: 'wg0', firewallMark: MARK, peers: new Map([[1, { allowedIps: ['0.0.0.0/0'] }]]) };

interface Scene {
  readonly dialer: Dialer;
  readonly devices: TunnelDevice[];
  /** What the capture was asked for. */
  readonly marked: string[];
  readonly log: () => string;
}

interface SceneOptions {
  readonly able?: boolean;
  /** So many marked connections fail. */
  readonly fails?: number;
  /** Marked connections are not answered. */
  readonly hangs?: boolean;
  /** The type of record for which questions are dropped. */
  readonly deaf?: number;
  readonly clock?: Clock;
  readonly plainly?: NonNullable<DialerOptions['connectPlainly']>;
}

/** A dialer whose marked sockets lead to a server on loopback, whatever their address. */
async function scene(
  t: TestContext,
  { able = true, fails = 0, hangs = false, deaf = 0, clock = createSystemClock(), plainly }: SceneOptions = {},
): Promise<Scene & { port: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined).end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), 'dialer-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'resolv.conf'), '# a comment\nnameserver 192.0.2.53\nsearch example.org\n');
  await writeFile(join(folder, 'hosts'), '203.0.113.7 known.example.org\n');
  const marked: string[] = [];
  let left = fails;
  const capture: Pick<CaptureModule, 'name' | 'connectTcp' | 'openDatagramSocket'> = {
    name: 'fake',
    async connectTcp({ to, firewallMark, signal }) {
      signal.throwIfAborted();
      marked.push(`tcp ${to.address}:${to.port} ${firewallMark}`);
      if (hangs)
        return await new Promise<never>((_, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
        );
      left -= 1;
      if (left >= 0) throw new StunmeshError('ERR_CAPTURE_UNREACHABLE', `no way to ${to.address}`);
      return connect(port, '127.0.0.1');
    },
    async openDatagramSocket({ to, firewallMark, onMessage }: DatagramSocketOptions) {
      marked.push(`udp ${to.address}:${to.port} ${firewallMark}`);
      return {
        async send(message) {
          const head = Buffer.from(message);
          const type = head.readUInt16BE(head.length - 4);
          if (type === deaf) return;
          const four = type === 1;
          head.writeUInt16BE(0x8180, 2);
          head.writeUInt16BE(four ? 2 : 0, 6);
          const record = (last: number) => [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 198, 51, 100, last];
          onMessage(Buffer.concat([head, Buffer.from(four ? [...record(1), ...record(2)] : [])]));
        },
        async [Symbol.asyncDispose]() {},
      };
    },
  };
  const devices: TunnelDevice[] = [];
  const logger = createMemoryLogger();
  const dialer = createDialer({
    clock,
    logger,
    capture: able ? capture : { name: 'fake' },
    devices: () => devices,
    resolvConf: join(folder, 'resolv.conf'),
    hostsFile: join(folder, 'hosts'),
    nameServers: ['127.0.0.1:1'],
    ...(plainly ? { connectPlainly: plainly } : {}),
  });
  return { dialer, devices, marked, log: () => logger.text(), port };
}

test('without a full tunnel connections are plain ones, and no mark is told', async (t) => {
  const { dialer, devices, marked, port } = await scene(t);
  devices.push({ name: 'wg0', firewallMark: MARK, peers: new Map([[1, { allowedIps: ['10.0.0.0/8'] }]]) });
  const socket = await dialer.connect({ host: '127.0.0.1', port, signal: free });
  assert.equal(String((await once(socket, 'data'))[0]), 'hello');
  assert.equal(dialer.firewallMark(), 0);
  assert.deepEqual(marked, []);
});

test('F5 with one, names are asked and connections opened with its mark, and that is said once', async (t) => {
  const { dialer, devices, marked, log } = await scene(t);
  devices.push(FULL);
  for (let i = 0; i < 2; i += 1) {
    const socket = await dialer.connect({ host: 'store.example.org', port: 6379, signal: free });
    assert.equal(String((await once(socket, 'data'))[0]), 'hello');
  }
  const once4 = [`udp 192.0.2.53:53 ${MARK}`, `udp 192.0.2.53:53 ${MARK}`, `tcp 198.51.100.1:6379 ${MARK}`];
  assert.deepEqual(marked, [...once4, ...once4]);
  assert.deepEqual(await dialer.resolve('stun.example.org', 4, free), ['198.51.100.1', '198.51.100.2']);
  assert.equal(dialer.firewallMark(), MARK);
  assert.equal(log().split('takes over the default way').length, 2);
  assert.match(log(), /0xca6c/);
});

test('the next address is tried where the first fails, and all that fail are an unreachable store', async (t) => {
  const first = await scene(t, { fails: 1 });
  first.devices.push(FULL);
  await (await first.dialer.connect({ host: 'store.example.org', port: 1, signal: free })).destroy();
  assert.deepEqual(first.marked.slice(2), [`tcp 198.51.100.1:1 ${MARK}`, `tcp 198.51.100.2:1 ${MARK}`]);
  const none = await scene(t, { fails: 9 });
  none.devices.push(FULL);
  await assert.rejects(none.dialer.connect({ host: 'store.example.org', port: 1, signal: free }), {
    code: 'ERR_STORE_UNAVAILABLE',
    message: /store\.example\.org: no way to 198\.51\.100\.2/,
  });
});

test('the hosts file goes first; loopback needs no mark even then; an aborted call connects nowhere', async (t) => {
  const { dialer, devices, marked, port } = await scene(t);
  devices.push(FULL);
  (await dialer.connect({ host: 'known.example.org', port: 2, signal: free })).destroy();
  assert.ok(marked.includes(`tcp 203.0.113.7:2 ${MARK}`), marked.join());
  marked.length = 0;
  (await dialer.connect({ host: '127.0.0.1', port, signal: free })).destroy();
  assert.deepEqual(marked, []);
  const over = AbortSignal.abort(new Error('over'));
  await assert.rejects(dialer.connect({ host: '203.0.113.7', port: 2, signal: over }), /over/);
  assert.deepEqual(marked, []);
});

test('a capture that cannot mark is told of once, and connections stay plain', async (t) => {
  const { dialer, devices, log, port } = await scene(t, { able: false });
  devices.push(FULL);
  for (let i = 0; i < 2; i += 1) (await dialer.connect({ host: '127.0.0.1', port, signal: free })).destroy();
  assert.equal(log().split('this capture cannot mark connections').length, 2);
});

test('a plain connection that is refused or given up is a failure, and leaves nothing', async (t) => {
  const { dialer } = await scene(t);
  await assert.rejects(dialer.connect({ host: '127.0.0.1', port: 1, signal: free }), { code: 'ECONNREFUSED' });
  const caller = new AbortController();
  const connecting = dialer.connect({ host: '127.0.0.1', port: 1, signal: caller.signal });
  caller.abort(new Error('enough'));
  await assert.rejects(connecting, /enough/);
});

/** A port of loopback whose SYNs are dropped: the queue of connections that nobody accepts is full. */
async function blackHole(t: TestContext): Promise<number> {
  const holder = spawn(process.execPath, [
    '-e',
    `const server = require('node:net').createServer();
     server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       require('node:fs').writeSync(1, server.address().port + ' ');
       for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
  ]);
  t.after(() => holder.kill('SIGKILL'));
  const port = Number(String((await once(holder.stdout, 'data'))[0]));
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  t.after(() => {
    for (const each of fillers) each.destroy();
  });
  await once(fillers[0] as Socket, 'connect');
  await settle(50);
  return port;
}

test('a connection that nobody answers ends after 10 s, marked or plain', { timeout: 60_000 }, async (t) => {
  const clock = createFakeClock();
  const { dialer, devices } = await scene(t, { hangs: true, clock });
  const port = await blackHole(t);
  const unavailable = { code: 'ERR_STORE_UNAVAILABLE', message: /no answer within 10000 ms/ };
  const plain = assert.rejects(dialer.connect({ host: '127.0.0.1', port, signal: free }), unavailable);
  await clock.advance(9_999);
  assert.equal(clock.pending, 1, 'it still tries');
  await clock.advance(1);
  await plain;
  devices.push(FULL);
  const marked = assert.rejects(dialer.connect({ host: '203.0.113.7', port: 1, signal: free }), unavailable);
  await clock.advance(10_000);
  await marked;
  assert.equal(clock.pending, 0);
});

test('F5 a private address that is not past the tunnel is tried in it, and no other one', async (t) => {
  const plain: string[] = [];
  const { dialer, devices, marked, port } = await scene(t, {
    fails: 9,
    plainly: async (address, toPort) => {
      plain.push(`${address}:${toPort}`);
      return connect(toPort, '127.0.0.1');
    },
  });
  devices.push(FULL);
  await assert.rejects(dialer.connect({ host: '198.51.100.9', port: 1, signal: free }), {
    code: 'ERR_STORE_UNAVAILABLE',
  });
  for (const [address, inside] of [
    ['172.31.0.1', true],
    ['172.32.0.1', false],
    ['192.168.9.9', true],
    ['fd00::1', true],
    ['2001:db8::1', false],
    ['a.example', false],
  ] as const)
    assert.equal(mayBeInside(address), inside, address);
  assert.equal(plain.length, 0);
  const socket = await dialer.connect({ host: '10.64.0.7', port, signal: free });
  assert.equal(String((await once(socket, 'data'))[0]), 'hello');
  assert.deepEqual(plain, [`10.64.0.7:${port}`]);
  assert.deepEqual(marked, [`tcp 198.51.100.9:1 ${MARK}`, `tcp 10.64.0.7:${port} ${MARK}`]);
});

test('a name server that drops questions for AAAA costs 300 ms, not its whole time', { timeout: 60_000 }, async (t) => {
  const clock = createFakeClock();
  const { dialer, devices } = await scene(t, { deaf: 28, clock });
  devices.push(FULL);
  const connecting = dialer.connect({ host: 'store.example.org', port: 1, signal: free });
  while (clock.pending < 2) await settle(1);
  await clock.advance(300);
  (await connecting).destroy();
  assert.equal(clock.now(), 300);
  assert.equal(clock.pending, 0);
});
