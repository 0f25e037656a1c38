/** Sockets of other traffic that takes WireGuard's way out: TCP handed over to Node, and UDP towards one address. */
import { closeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import {
  type DatagramSocket,
  type DatagramSocketOptions,
  type Endpoint,
  isStunmeshError,
  StunmeshError,
} from '@stunmesh/core/api';
import { formatEndpoint } from '@stunmesh/core/net';
import { closedError, lostError, openError, sendError } from './errors.js';
import { isSystemError, type Native, type NativeSocket } from './native.js';
import { encodeSockaddr, int32 } from './sockaddr.js';

/** The largest UDP message. */
const BUFFER_BYTES = 65_536;

/** Without it Node begins to read from a descriptor at once, which fails on a socket that is not connected. */
const UNREAD: SocketConstructorOpts & { readonly manualStart: true } = {
  readable: true,
  writable: true,
  manualStart: true,
};

function openMarked(native: Native, to: Endpoint, type: number, firewallMark: number): NativeSocket {
  const { constants: c } = native;
  const socket = native.open(to.family === 4 ? c.AF_INET : c.AF_INET6, type, 0);
  try {
    if (firewallMark !== 0) native.setOption(socket, c.SOL_SOCKET, c.SO_MARK, int32(firewallMark));
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

export interface TcpOptions {
  readonly to: Endpoint;
  readonly firewallMark: number;
  readonly signal: AbortSignal;
}

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, ERR_CAPTURE_UNREACHABLE, ERR_CAPTURE_SEND, the signal's reason. */
export async function connectTcp(native: Native, { to, firewallMark, signal }: TcpOptions): Promise<Socket> {
  signal.throwIfAborted();
  const place = formatEndpoint(to);
  let marked: NativeSocket;
  try {
    marked = openMarked(native, to, native.constants.SOCK_STREAM, firewallMark);
  } catch (error) {
    throw openError(error, `the connection to ${place}`);
  }
  const bun = process.versions['bun'] !== undefined;
  const socket = bun ? new Socket() : takeOverInNode(native, marked, place);
  return await new Promise<Socket>((resolve, reject) => {
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      socket.off('connect', onConnect);
    };
    const onAbort = (): void => {
      settle();
      socket.on('error', () => undefined);
      socket.destroy();
      reject(signal.reason);
    };
    const onError = (error: Error): void => {
      settle();
      reject(connectError(error, place));
    };
    const onConnect = (): void => {
      settle();
      resolve(socket);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', onConnect);
    // The descriptor has changed its owner, and Node connects it.
    if (bun) takeOverInBun(native, marked, socket, to);
    else socket.connect({ host: to.address, port: to.port });
  });
}

/** Errors: ERR_CAPTURE_OPEN. */
function takeOverInNode(native: Native, marked: NativeSocket, place: string): Socket {
  const fd = native.release(marked);
  try {
    return new Socket({ fd, ...UNREAD });
  } catch (error) {
    // Nobody owns it now.
    closeSync(fd);
    const text = `the connection to ${place} cannot be opened: ${error instanceof Error ? error.message : String(error)}`;
    throw new StunmeshError('ERR_CAPTURE_OPEN', text, { cause: error });
  }
}

/** Bun connects no descriptor, but takes over one that is connecting; where that fails the first use says so. */
function takeOverInBun(native: Native, marked: NativeSocket, socket: Socket, to: Endpoint): void {
  try {
    native.connect(marked, encodeSockaddr(to.address, to.port));
  } catch (error) {
    // EINPROGRESS has no name in the addon; anything else shows when the socket is used.
    if (!isSystemError(error)) throw error;
  }
  socket.connect({ fd: native.release(marked) } as unknown as { port: number });
}

function connectError(error: Error, place: string): StunmeshError {
  if (isStunmeshError(error)) return error;
  const code = String((error as NodeJS.ErrnoException).code);
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET')
    return new StunmeshError('ERR_CAPTURE_SEND', `nobody accepts connections at ${place} (${code})`);
  const unreachable = code === 'ETIMEDOUT' || code === 'EHOSTUNREACH' || code === 'ENETUNREACH';
  if (unreachable) return new StunmeshError('ERR_CAPTURE_UNREACHABLE', `no way to ${place} (${code})`);
  return new StunmeshError('ERR_CAPTURE_SEND', `no connection to ${place}: ${error.message}`, { cause: error });
}

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN. */
export function openDatagramSocket(native: Native, options: DatagramSocketOptions): DatagramSocket {
  const { to, firewallMark } = options;
  const place = formatEndpoint(to);
  const what = `the UDP socket to ${place}`;
  const address = encodeSockaddr(to.address, to.port);
  let socket: NativeSocket | undefined;
  let open = true;
  const close = (): void => {
    open = false;
    if (socket) native.close(socket);
  };
  try {
    socket = openMarked(native, to, native.constants.SOCK_DGRAM, firewallMark);
    native.connect(socket, address);
    native.start(socket, BUFFER_BYTES, (error, message) => {
      if (!open || !socket) return;
      if (!error) {
        options.onMessage(message);
      } else if (error.code === 'ECONNREFUSED' || error.code === 'EHOSTUNREACH' || error.code === 'ENETUNREACH') {
        // An ICMP message; the next try may pass.
        native.resume(socket);
        options.onFault(sendError(error, place) as StunmeshError);
      } else {
        close();
        options.onFault(lostError(what, error));
      }
    });
  } catch (error) {
    close();
    throw openError(error, what);
  }
  const own = socket;
  return {
    async send(message) {
      if (!open) throw closedError(what);
      try {
        native.send(own, message, address);
      } catch (error) {
        throw sendError(error, place);
      }
    },
    async [Symbol.asyncDispose]() {
      if (open) close();
    },
  };
}
