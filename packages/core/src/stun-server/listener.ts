/** One UDP socket of the binding server. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { type Endpoint, type Logger, StunmeshError } from '../api/index.js';
import { createEndpoint, formatEndpoint, parseAddress } from '../net/index.js';

export interface Listener extends AsyncDisposable {
  /** With the port that the system chose where 0 was asked for. */
  readonly address: Endpoint;
  send(bytes: Uint8Array, to: RemoteInfo): void;
}

export interface ListenerOptions {
  readonly address: Endpoint;
  readonly logger: Logger;
  onDatagram(bytes: Uint8Array, from: Endpoint, raw: RemoteInfo): void;
}

/** Errors: ERR_STUN_SERVER. */
export async function openListener({ address, logger, onDatagram }: ListenerOptions): Promise<Listener> {
  // Without ipv6Only a server on "::" would show IPv4 clients an IPv4-mapped address.
  const socket = createSocket({ type: address.family === 4 ? 'udp4' : 'udp6', ipv6Only: address.family === 6 });
  await bind(socket, address);
  const bound = { ...address, port: socket.address().port };
  const text = formatEndpoint(bound);
  socket.on('error', (error) => logger.warn({ address: text }, `the socket on ${text} reported: ${error.message}`));
  socket.on('message', (message, raw) => {
    const bytes = parseAddress(raw.address.split('%')[0] ?? '');
    // Nothing can be sent to port 0.
    if (bytes && raw.port !== 0) onDatagram(message, createEndpoint(bytes, raw.port), raw);
  });
  let closing: Promise<void> | undefined;
  return {
    address: bound,
    send(bytes, to) {
      socket.send(bytes, to.port, to.address, (error) => {
        if (error) logger.debug({ address: text }, `an answer could not be sent: ${error.message}`);
      });
    },
    [Symbol.asyncDispose]() {
      closing ??= new Promise((resolve) => socket.close(() => resolve()));
      return closing;
    },
  };
}

function bind(socket: Socket, address: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => {
      socket.close();
      const text = formatEndpoint(address);
      reject(
        new StunmeshError('ERR_STUN_SERVER', `cannot listen on ${text}: ${explain(error)}`, {
          details: { address: text },
          cause: error,
        }),
      );
    };
    socket.once('error', onError);
    const host = address.zone === undefined ? address.address : `${address.address}%${address.zone}`;
    socket.bind({ address: host, port: address.port, exclusive: true }, () => {
      socket.off('error', onError);
      resolve();
    });
  });
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'another program has this port';
  if (error.code === 'EADDRNOTAVAIL') return 'this host does not have that address';
  return error.code === 'EACCES' ? 'ports below 1024 need privileges' : error.message;
}
