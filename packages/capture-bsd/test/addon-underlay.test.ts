/** Other traffic by the underlay, and gateways of routes, on the systems as native/test/bsd.c plays them. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { createCapture } from '#src/index.js';
import { loadNative } from '#src/native.js';
import { gatewayTo } from '#src/route-gateway.js';
import { cannotCapture, foreignAddon, inOwnNamespace, run } from './addon-lab.js';

const options = { skip: cannotCapture ?? false, timeout: 120_000 };
const PLATFORMS = { freebsd: 'freebsd', macos: 'darwin' } as const;
const KEY = { firewallMark: 0 } as const;

if (inOwnNamespace(import.meta.url)) {
  if (!cannotCapture) {
    run('ip link set lo up');
    run('ip link add em0 type veth peer name far0');
    run('ip link set far0 up');
    run('ip link set em0 up');
    run('ip address add 192.0.2.1/24 dev em0');
    run('ip address add 2001:db8::1/64 dev em0 nodad');
    run('ip route add 198.18.0.0/15 via 192.0.2.77');
    run('ip route add 2001:db8:77::/48 via 2001:db8::77');
  }
  for (const system of ['freebsd', 'macos'] as const) {
    test(`the gateway of a route is told on ${system}`, options, async () => {
      const native = loadNative(foreignAddon(system));
      const gateway = (to: string) => gatewayTo(native, to, KEY, PLATFORMS[system]);
      assert.equal(await gateway('198.18.0.1'), '192.0.2.77');
      assert.equal(await gateway('2001:db8:77::1'), '2001:db8::77');
      assert.equal(await gateway('192.0.2.9'), undefined, 'on the link');
      assert.equal(await gateway('203.0.113.1'), undefined, 'no route');
      assert.equal(await gatewayTo(native, '198.18.0.1', KEY, 'linux'), undefined);
    });

    test(`TCP and UDP sockets of ${system} are opened by the addon`, options, async () => {
      const capture = createCapture({ addonPath: foreignAddon(system), reader: 'bpf' });
      const server = createServer((socket) => socket.end('hello'));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as { port: number };
      const signal = new AbortController().signal;
      const socket = await capture.connectTcp?.({
        to: { family: 4, address: '127.0.0.1', port },
        ...KEY,
        fib: 0,
        signal,
      });
      assert.ok(socket);
      assert.equal(String((await once(socket, 'data'))[0]), 'hello');
      socket.destroy();
      server.close();

      const far = createSocket('udp4', (message, from) => far.send(`re ${message}`, from.port, from.address));
      far.bind(0, '127.0.0.1');
      await once(far, 'listening');
      const to = { family: 4, address: '127.0.0.1', port: far.address().port } as const;
      const onFault = (error: Error) => assert.fail(error);
      for (const connected of [true, false]) {
        let told = (_: string) => {};
        const heard = new Promise<string>((resolve) => {
          told = resolve;
        });
        const onMessage = (message: Uint8Array) => told(Buffer.from(message).toString());
        if (connected) {
          await using one = await capture.openDatagramSocket?.({ to, ...KEY, onMessage, onFault });
          await one?.send(Buffer.from('one'));
          assert.equal(await heard, 're one');
        } else {
          await using many = await capture.openDatagrams?.({ family: 4, ...KEY, onMessage, onFault });
          await many?.send(Buffer.from('many'), to);
          assert.equal(await heard, 're many');
        }
      }
      far.close();
    });
  }
}
