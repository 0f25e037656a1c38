/** Opens the sockets of ioredis, all of them, so that none outlives the connection that it was opened for. */
import { connect as connectPlain, isIP, Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { type Clock, type Connect, StunmeshError } from '@stunmesh/core/api';
import { AbstractConnector } from 'ioredis';
import { guardSocket } from './answer-guard.js';

/** What ioredis hands to its connector: one server's address. */
interface ServerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
}

/** How long a socket may take to end by itself when its connection is closed, in milliseconds. */
const END_MS = 250;

export interface Sockets extends Disposable {
  /** For the Connector option of ioredis. */
  readonly Connector: new (
    options: unknown,
  ) => AbstractConnector;
  /** Sockets that are not closed yet. */
  readonly open: number;
  /** Why one was ended, where the server sent more than it was asked for. */
  readonly excess: StunmeshError | undefined;
}

export interface SocketsOptions {
  readonly clock: Clock;
  /** The server, for messages. */
  readonly place: string;
  readonly tls?: ConnectionOptions;
  readonly connect?: Connect;
}

export function createSockets(options: SocketsOptions): Sockets {
  const { clock, place, tls, connect } = options;
  const open = new Set<Socket>();
  const closing = new AbortController();
  let excess: StunmeshError | undefined;

  const onExcess = (what: string): StunmeshError => {
    excess ??= new StunmeshError('ERR_STORE_INTERNAL', `${place}: the server sent ${what}; the connection was ended`, {
      details: { server: place },
    });
    return excess;
  };

  const keep = <S extends Socket>(socket: S): S => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (closing.signal.aborted) socket.destroy();
    return socket;
  };

  /** A TCP socket by the host's own means, which mark its packets. */
  async function openMarked(connect: Connect, host: string, port: number): Promise<Socket> {
    const socket = await connect({ host, port, signal: closing.signal });
    if (socket instanceof Socket) return keep(socket);
    throw new StunmeshError(
      'ERR_PLUGIN_INVALID',
      'the capture module’s connect resolved with something that is no socket',
    );
  }

  async function openSocket({ host = 'localhost', port = 6379, path }: ServerOptions): Promise<Socket> {
    if (path !== undefined) return keep(connectPlain({ path }));
    const raw = connect ? await openMarked(connect, host, port) : undefined;
    if (!tls) return raw ?? keep(connectPlain({ host, port }));
    // A name is asked for in the handshake and looked for in the certificate; an address is only looked for.
    const name = tls.servername === undefined && isIP(host) === 0 ? { servername: host } : {};
    return keep(connectTls({ host, port, ...name, ...tls, ...(raw ? { socket: raw } : {}) }));
  }

  class Connector extends AbstractConnector {
    readonly #options: ServerOptions;

    constructor(options: unknown) {
      super(END_MS);
      this.#options = options as ServerOptions;
    }

    override async connect(): Promise<Socket> {
      this.connecting = true;
      const socket = guardSocket(await openSocket(this.#options), { clock, onExcess });
      this.stream = socket;
      socket.once('error', (error) => {
        this.firstError = error;
      });
      if (!this.connecting) socket.destroy();
      return socket;
    }
  }

  return {
    Connector,
    get open() {
      return open.size;
    },
    get excess() {
      return excess;
    },
    [Symbol.dispose]() {
      closing.abort();
      for (const socket of open) socket.destroy();
    },
  };
}
