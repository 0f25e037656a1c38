/** Connections of stores and questions for names, with and without a tunnel that takes over the default way. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type CaptureModule, type DatagramSocketOptions, StunmeshError } from '#src/api/index.js';
import type { TunnelDevice } from '#src/host/full-tunnel.js';
import { createWayOut, type WayOut } from '#src/host/way-out.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';

const free = new AbortController().signal;
const MARK = 0xca6c;
const FULL: TunnelDevice = { name: 'wg0', firewallMark: MARK, peers: new Map([[1, { allowedIps: ['0.0.0.0/0'] }]]) };

interface Scene {
  readonly wayOut: WayOut;
  readonly devices: TunnelDevice[];
  /** What the capture was asked for. */
  readonly marked: string[];
  readonly log: () => string;
}

/** A way out whose marked sockets lead to a server on loopback, whatever their address. */
async function scene(t: TestContext, { able = true, fails = 0 } = {}): Promise<Scene & { port: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined).end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const folder = await mkdtemp(join(tmpdir(), 'way-out-'));
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
      left -= 1;
      if (left >= 0) throw new StunmeshError('ERR_CAPTURE_UNREACHABLE', `no way to ${to.address}`);
      return connect(port, '127.0.0.1');
    },
    async openDatagramSocket({ to, firewallMark, onMessage }: DatagramSocketOptions) {
      marked.push(`udp ${to.address}:${to.port} ${firewallMark}`);
      return {
        async send(message) {
          const head = Buffer.from(message);
          const four = head.readUInt16BE(head.length - 4) === 1;
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
  const wayOut = createWayOut({
    clock: createSystemClock(),
    logger,
    capture: able ? capture : { name: 'fake' },
    devices: () => devices,
    resolvConf: join(folder, 'resolv.conf'),
    hostsFile: join(folder, 'hosts'),
  });
  return { wayOut, devices, marked, log: () => logger.text(), port };
}

test('without a full tunnel connections are plain ones, and no mark is told', async (t) => {
  const { wayOut, devices, marked, port } = await scene(t);
  devices.push({ name: 'wg0', firewallMark: MARK, peers: new Map([[1, { allowedIps: ['10.0.0.0/8'] }]]) });
  const socket = await wayOut.connect({ host: '127.0.0.1', port, signal: free });
  assert.equal(String((await once(socket, 'data'))[0]), 'hello');
  assert.equal(wayOut.firewallMark(), 0);
  assert.deepEqual(marked, []);
});

test('F5 with one, names are asked and connections opened with its mark, and that is said once', async (t) => {
  const { wayOut, devices, marked, log } = await scene(t);
  devices.push(FULL);
  for (let i = 0; i < 2; i += 1) {
    const socket = await wayOut.connect({ host: 'store.example.org', port: 6379, signal: free });
    assert.equal(String((await once(socket, 'data'))[0]), 'hello');
  }
  const once4 = [`udp 192.0.2.53:53 ${MARK}`, `udp 192.0.2.53:53 ${MARK}`, `tcp 198.51.100.1:6379 ${MARK}`];
  assert.deepEqual(marked, [...once4, ...once4]);
  assert.deepEqual(await wayOut.resolve('stun.example.org', 4, free), ['198.51.100.1', '198.51.100.2']);
  assert.equal(wayOut.firewallMark(), MARK);
  assert.equal(log().split('takes over the default way').length, 2);
  assert.match(log(), /0xca6c/);
});

test('the next address is tried where the first fails, and all that fail are an unreachable store', async (t) => {
  const first = await scene(t, { fails: 1 });
  first.devices.push(FULL);
  await (await first.wayOut.connect({ host: 'store.example.org', port: 1, signal: free })).destroy();
  assert.deepEqual(first.marked.slice(2), [`tcp 198.51.100.1:1 ${MARK}`, `tcp 198.51.100.2:1 ${MARK}`]);
  const none = await scene(t, { fails: 9 });
  none.devices.push(FULL);
  await assert.rejects(none.wayOut.connect({ host: 'store.example.org', port: 1, signal: free }), {
    code: 'ERR_STORE_UNAVAILABLE',
    message: /store\.example\.org: no way to 198\.51\.100\.2/,
  });
});

test('the hosts file goes first; loopback needs no mark even then; an aborted call connects nowhere', async (t) => {
  const { wayOut, devices, marked, port } = await scene(t);
  devices.push(FULL);
  (await wayOut.connect({ host: 'known.example.org', port: 2, signal: free })).destroy();
  assert.ok(marked.includes(`tcp 203.0.113.7:2 ${MARK}`), marked.join());
  marked.length = 0;
  (await wayOut.connect({ host: '127.0.0.1', port, signal: free })).destroy();
  assert.deepEqual(marked, []);
  const over = AbortSignal.abort(new Error('over'));
  await assert.rejects(wayOut.connect({ host: '203.0.113.7', port: 2, signal: over }), /over/);
  assert.deepEqual(marked, []);
});

test('a capture that cannot mark is told of once, and connections stay plain', async (t) => {
  const { wayOut, devices, log, port } = await scene(t, { able: false });
  devices.push(FULL);
  for (let i = 0; i < 2; i += 1) (await wayOut.connect({ host: '127.0.0.1', port, signal: free })).destroy();
  assert.equal(log().split('this capture cannot mark connections').length, 2);
});

test('a plain connection that is refused or given up is a failure, and leaves nothing', async (t) => {
  const { wayOut } = await scene(t);
  await assert.rejects(wayOut.connect({ host: '127.0.0.1', port: 1, signal: free }), { code: 'ECONNREFUSED' });
  const caller = new AbortController();
  const connecting = wayOut.connect({ host: '127.0.0.1', port: 1, signal: caller.signal });
  caller.abort(new Error('enough'));
  await assert.rejects(connecting, /enough/);
});
