/** UDP sockets for the DHT: the host's, which get past a tunnel that covers everything, or plain ones where it brings none. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { type DatagramPort, type Endpoint, type OpenDatagrams, StunmeshError } from '@stunmesh/core/api';

export type { DatagramPort, OpenDatagrams } from '@stunmesh/core/api';

/** An unconnected socket without a mark. Errors: ERR_STORE_UNAVAILABLE. */
export const openPlainDatagrams: OpenDatagrams = async ({ family, onMessage, onFault }) => {
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  const fault = (error: Error) =>
    new StunmeshError('ERR_STORE_UNAVAILABLE', `no UDP socket for the DHT: ${error.message}`, { cause: error });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => reject(fault(error)));
    socket.bind(0, resolve);
  });
  socket.removeAllListeners('error');
  socket.on('error', (error) => onFault(fault(error)));
  socket.on('message', (bytes, { address, port }) => onMessage(Uint8Array.from(bytes), { family, address, port }));
  let open = true;
  return {
    send: (message: Uint8Array, to: Endpoint) =>
      new Promise<void>((resolve, reject) => {
        if (open) socket.send(message, to.port, to.address, (error) => (error ? reject(fault(error)) : resolve()));
        else reject(new StunmeshError('ERR_CLOSED', 'the socket is closed'));
      }),
    async [Symbol.asyncDispose]() {
      if (!open) return;
      open = false;
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  } satisfies DatagramPort;
};

/** IPv4 addresses of a name, as the system resolves it. Errors: those of node:dns. */
export async function resolvePlainly(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true, family: 4 })).map(({ address }) => address);
}
