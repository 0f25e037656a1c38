/** TCP connections that take WireGuard's way out: the socket is opened and prepared here, and handed over to Node. */
import { closeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { type Endpoint, isStunmeshError, StunmeshError } from '../api/index.js';
import { formatEndpoint } from '../net/index.js';
import { openPrepared, type SocketSystem } from './datagram-socket.js';
import { encodeSockaddr } from './sockaddr.js';
import { isSystemError, type NativeSocket, type SystemCalls } from './system-calls.js';

/** Without it Node begins to read from a descriptor at once, which fails on a socket that is not connected. */
const UNREAD: SocketConstructorOpts & { readonly manualStart: true } = {
  readable: true,
  writable: true,
  manualStart: true,
};

export interface TcpOptions {
  readonly to: Endpoint;
  readonly signal: AbortSignal;
}

/** Connects a socket that the system has prepared (its mark, its routing table). Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, ERR_CAPTURE_UNREACHABLE, ERR_CAPTURE_SEND, the signal's reason. */
export async function connectTcp(
  { native, errors, prepare }: SocketSystem,
  { to, signal }: TcpOptions,
): Promise<Socket> {
  signal.throwIfAborted();
  const place = formatEndpoint(to);
  let prepared: NativeSocket;
  try {
    prepared = openPrepared({ native, prepare }, to.family, native.constants.SOCK_STREAM);
  } catch (error) {
    throw errors.openError(error, `the connection to ${place}`);
  }
  const bun = process.versions['bun'] !== undefined;
  const socket = bun ? new Socket() : takeOverInNode(native, prepared, place);
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
    if (bun) takeOverInBun(native, prepared, socket, to);
    else socket.connect({ host: to.address, port: to.port });
  });
}

/** Errors: ERR_CAPTURE_OPEN. */
function takeOverInNode(native: SystemCalls, prepared: NativeSocket, place: string): Socket {
  const fd = native.release(prepared);
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
function takeOverInBun(native: SystemCalls, prepared: NativeSocket, socket: Socket, to: Endpoint): void {
  try {
    native.connect(prepared, encodeSockaddr(native, to.address, to.port));
  } catch (error) {
    // EINPROGRESS has no name in the addon; anything else shows when the socket is used.
    if (!isSystemError(error)) throw error;
  }
  socket.connect({ fd: native.release(prepared) } as unknown as { port: number });
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
