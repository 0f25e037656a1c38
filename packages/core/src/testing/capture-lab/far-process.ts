/** The process on the far side: UDP sockets that say what they get and send what they are told. */
import { execFileSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Endpoint, Family } from '../../api/index.js';

export type FarOrder =
  | { readonly kind: 'run'; readonly command: string }
  | { readonly kind: 'listen'; readonly address: string; readonly port: number }
  | { readonly kind: 'send'; readonly from: string; readonly message: Uint8Array; readonly to: Endpoint };

export type FarReport =
  | { readonly kind: 'done' }
  | { readonly kind: 'received'; readonly at: Endpoint; readonly from: Endpoint; readonly message: Uint8Array }
  /** A packet as it came over the wire, where the process watches it. */
  | { readonly kind: 'seen'; readonly family: Family; readonly packet: Uint8Array };

/** The whole program of the process, where this is one; `watch` begins what it watches besides. */
export function runFarSide(watch: (report: (message: FarReport) => void) => void = () => {}): void {
  if (!process.send) return;
  const report = (message: FarReport): void => void process.send?.(message);
  const sockets = new Map<string, Socket>();
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  watch(report);
  process.on('message', (order) => {
    obey(sockets, order as FarOrder, report).then(
      () => report({ kind: 'done' }),
      (error: unknown) => {
        process.stderr.write(`far side: ${String(error)}\n`);
        process.exit(1);
      },
    );
  });
  // The test that started it is gone.
  process.on('disconnect', () => process.exit(0));
  report({ kind: 'done' });
}

async function obey(
  sockets: Map<string, Socket>,
  order: FarOrder,
  report: (message: FarReport) => void,
): Promise<void> {
  if (order.kind === 'run') {
    const [file = '', ...args] = order.command.split(' ');
    execFileSync(file, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  } else if (order.kind === 'listen') {
    const { address, port } = order;
    const family = address.includes(':') ? 6 : 4;
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    socket.bind(port, address);
    await once(socket, 'listening');
    socket.on('message', (message, from) =>
      report({
        kind: 'received',
        at: { family, address, port },
        from: { family, address: from.address, port: from.port },
        message,
      }),
    );
    sockets.set(address, socket);
  } else {
    const { from, message, to } = order;
    await new Promise<void>((resolve, reject) => {
      sockets.get(from)?.send(message, to.port, to.address, (error) => (error ? reject(error) : resolve()));
    });
  }
}
