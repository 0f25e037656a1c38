/** Connections and questions of other traffic that carry a mark, over real sockets and routes. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fstatSync, openSync, readdirSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { hasCode, type StunmeshError } from '@stunmesh/core/api';
import { connectTcp as connectOver, type SystemCalls } from '@stunmesh/core/capture-kit';
import { errors } from '#src/errors.js';
import capture from '#src/index.js';
import { cannotRun, inNamespace, nft, run } from './namespace.js';

const options = { skip: cannotRun ?? false, timeout: 120_000 };
const never = new AbortController().signal;
const MARK = 0xca6c;

const connectTcp = capture.connectTcp as NonNullable<typeof capture.connectTcp>;
const openDatagramSocket = capture.openDatagramSocket as NonNullable<typeof capture.openDatagramSocket>;
const descriptors = (): number => readdirSync('/proc/self/fd').length;

async function listen(host: string): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => socket.end(`echo ${data}`));
  });
  server.listen(0, host);
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

if (inNamespace(import.meta.url)) {
  if (!cannotRun) {
    run('ip link set lo up');
    run('ip addr add fe80::5/64 dev lo nodad');
    // What has no mark ends at the door; answers go to other addresses, or begin no connection.
    nft(`table inet door {
      chain out {
        type filter hook output priority 0; policy accept;
        meta mark != ${MARK} ip daddr 127.0.0.2 reject
        meta mark != ${MARK} ip6 daddr ::1 tcp flags & (syn | ack) == syn reject
        tcp dport 2 drop
      }
    }`);
  }

  for (const [family, address] of [
    [4, '127.0.0.2'],
    [6, '::1'],
  ] as const) {
    test(
      `F5 an IPv${family} connection carries the mark, speaks both ways, and leaves no descriptor`,
      options,
      async () => {
        const { server, port } = await listen(address);
        const to = { family, address, port };
        const before = descriptors();
        await assert.rejects(connectTcp({ to, firewallMark: 0, signal: never }), (error: StunmeshError) =>
          /^ERR_CAPTURE_/.test(error.code),
        );
        for (let i = 0; i < 20; i += 1) {
          const socket = await connectTcp({ to, firewallMark: MARK, signal: never });
          assert.equal(socket.remotePort, port);
          socket.write('hi');
          assert.equal(String((await once(socket, 'data'))[0]), 'echo hi');
          socket.destroy();
          await once(socket, 'close');
        }
        server.close();
        await once(server, 'close');
        // The listening socket itself was one of them.
        assert.ok(descriptors() <= before, `${before}, then ${descriptors()}`);
      },
    );
  }

  test(
    'a port that nobody listens at, and a caller who gives up, end with their reason and leave nothing',
    options,
    async () => {
      const before = descriptors();
      const to = { family: 4, address: '127.0.0.1', port: 1 } as const;
      for (let i = 0; i < 20; i += 1)
        await assert.rejects(connectTcp({ to, firewallMark: MARK, signal: never }), (error: unknown) =>
          hasCode(error, 'ERR_CAPTURE_SEND'),
        );
      const caller = new AbortController();
      const connecting = connectTcp({ to: { ...to, port: 2 }, firewallMark: MARK, signal: caller.signal });
      setImmediate(() => caller.abort(new Error('enough')));
      await assert.rejects(connecting, /enough/);
      await assert.rejects(connectTcp({ to, firewallMark: MARK, signal: caller.signal }), /enough/);
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(descriptors() <= before, `${before}, then ${descriptors()}`);
    },
  );

  test(
    'F58 a datagram socket sends from the address that it is given, and to a link-local one by its zone',
    options,
    async () => {
      for (const { family, from, to } of [
        { family: 4, from: '127.0.0.3', to: { family: 4, address: '127.0.0.4' } },
        { family: 6, from: '::1', to: { family: 6, address: 'fe80::5', zone: 'lo' } },
      ] as const) {
        const server = createSocket(family === 4 ? 'udp4' : 'udp6');
        server.bind(0, family === 4 ? to.address : `${to.address}%lo`);
        await once(server, 'listening');
        const heard = once(server, 'message');
        await using socket = await openDatagramSocket({
          to: { ...to, port: server.address().port },
          from,
          firewallMark: MARK,
          onMessage: () => undefined,
          onFault: () => undefined,
        });
        await socket.send(Buffer.from('hi'));
        const [, { address }] = await heard;
        assert.equal(address, from);
        server.close();
      }
    },
  );

  test(
    'F5 a datagram socket carries the mark, hears its own address alone, and tells of a port that is closed',
    options,
    async () => {
      const server = createSocket('udp4');
      server.bind(0, '127.0.0.2');
      await once(server, 'listening');
      const stranger = createSocket('udp4');
      const { port } = server.address();
      server.on('message', (message, { address, port: from }) => {
        stranger.send('stranger', from, address, () => server.send(`echo ${message}`, from, address));
      });
      const heard: string[] = [];
      let wake = (): void => undefined;
      const faults: StunmeshError[] = [];
      const ask = (firewallMark: number, toPort: number) =>
        openDatagramSocket({
          to: { family: 4, address: '127.0.0.2', port: toPort },
          firewallMark,
          onMessage: (message) => {
            heard.push(Buffer.from(message).toString());
            wake();
          },
          onFault: (error) => {
            faults.push(error);
            wake();
          },
        });
      const woken = () => new Promise<void>((resolve) => (wake = resolve));
      {
        await using socket = await ask(MARK, port);
        const answered = woken();
        await socket.send(Buffer.from('hi'));
        await answered;
        assert.deepEqual(heard, ['echo hi']);
      }
      {
        await using socket = await ask(0, port);
        await assert.rejects(socket.send(Buffer.from('hi')), (error: unknown) =>
          /^ERR_CAPTURE_/.test((error as StunmeshError).code),
        );
      }
      server.close();
      stranger.close();
      {
        await using socket = await ask(MARK, port);
        const told = woken();
        await socket.send(Buffer.from('hi'));
        await told;
        assert.match(faults[0]?.code ?? '', /^ERR_CAPTURE_/);
        await socket[Symbol.asyncDispose]();
        await assert.rejects(socket.send(Buffer.from('hi')), (error: unknown) => hasCode(error, 'ERR_CLOSED'));
      }
    },
  );

  test('a UDP socket that is not connected carries the mark and says whom a message is from', options, async () => {
    const server = createSocket('udp4', (message, { address, port }) => server.send(`re ${message}`, port, address));
    server.bind(0, '127.0.0.2');
    await once(server, 'listening');
    const to = { family: 4, address: '127.0.0.2', port: server.address().port } as const;
    let told = (_: unknown): void => undefined;
    const heard = new Promise((resolve) => {
      told = resolve;
    });
    const open = (firewallMark: number) =>
      capture.openDatagrams?.({
        family: 4,
        firewallMark,
        onMessage: (message, from) => told([Buffer.from(message).toString(), from]),
        onFault: (error) => assert.fail(error),
      }) ?? assert.fail('the module has no openDatagrams');
    {
      await using socket = await open(0);
      await assert.rejects(socket.send(Buffer.from('hi'), to), (error: unknown) =>
        /^ERR_CAPTURE_/.test((error as StunmeshError).code),
      );
    }
    const socket = await open(MARK);
    await socket.send(Buffer.from('hi'), to);
    assert.deepEqual(await heard, ['re hi', to]);
    await socket[Symbol.asyncDispose]();
    await assert.rejects(socket.send(Buffer.from('hi'), to), (error: unknown) => hasCode(error, 'ERR_CLOSED'));
    server.close();
  });

  test('a descriptor that Node does not take over is closed', async () => {
    const fd = openSync('/dev/null', 'r');
    const native = { constants: {}, open: () => ({}), release: () => fd } as unknown as SystemCalls;
    const to = { family: 4, address: '127.0.0.1', port: 1 } as const;
    await assert.rejects(connectOver({ native, errors, prepare() {} }, { to, signal: never }), (error: unknown) =>
      hasCode(error, 'ERR_CAPTURE_OPEN'),
    );
    assert.throws(() => fstatSync(fd), { code: 'EBADF' });
  });
}
