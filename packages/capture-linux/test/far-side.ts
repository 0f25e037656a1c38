/** The process on the far side of a namespace test: UDP sockets, and raw ones that see packets as they came over the wire. */
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Endpoint } from '@stunmesh/core/api';
import { loadNative } from '#src/native.js';

export type FarOrder =
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'listen'; readonly addresses: readonly string[]; readonly port: number }
  | { readonly kind: 'send'; readonly from: Endpoint; readonly message: Uint8Array; readonly to: Endpoint };

export type FarReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'received'; readonly at: Endpoint; readonly from: Endpoint; readonly message: Uint8Array }
  | { readonly kind: 'seen'; readonly family: 4 | 6; readonly packet: Uint8Array };

const sockets = new Map<string, Socket>();
const report = (message: FarReport) => process.send?.(message);

async function listen(address: string, port: number): Promise<void> {
  const family = address.includes(':') ? 6 : 4;
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  socket.bind(port, address);
  await once(socket, 'listening');
  const at = { family, address, port } as const;
  socket.on('message', (message, from) =>
    report({ kind: 'received', at, from: { family, address: from.address, port: from.port }, message }),
  );
  sockets.set(address, socket);
}

/** As the kernel got it from the wire: nothing in between has looked at the checksum yet. */
function watchWire(): void {
  const native = loadNative();
  const { AF_INET, AF_INET6, SOCK_RAW, IPPROTO_UDP } = native.constants;
  for (const family of [4, 6] as const) {
    const socket = native.open(family === 4 ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_UDP);
    native.start(socket, 65_536, (error, packet) => {
      if (!error) report({ kind: 'seen', family, packet });
    });
  }
}

async function obey(order: FarOrder): Promise<void> {
  if (order.kind === 'run') {
    const [file = '', ...args] = order.command.split(' ');
    execFileSync(file, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  } else if (order.kind === 'listen') {
    for (const address of order.addresses) await listen(address, order.port);
  } else {
    const { message, to, from } = order;
    await new Promise<void>((resolve, reject) =>
      sockets.get(from.address)?.send(message, to.port, to.address, (error) => (error ? reject(error) : resolve())),
    );
  }
  report({ kind: 'done' });
}

if (process.send) {
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  watchWire();
  process.on('message', (order) => {
    obey(order as FarOrder).catch((error: unknown) => {
      process.stderr.write(`far side: ${String(error)}\n`);
      process.exit(1);
    });
  });
  // The test that started it is gone.
  process.on('disconnect', () => process.exit(0));
  report({ kind: 'ready' });
}
