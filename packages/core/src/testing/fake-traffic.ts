/** Other traffic with WireGuard's mark, without a network: UDP sockets that a test plays the far side of, and connections that are plain ones. */
import { connect, type Socket } from 'node:net';
import type { CaptureModule, Datagrams, DatagramsOptions, Endpoint } from '../api/index.js';
import { StunmeshError } from '../api/index.js';

const FIRST_PORT = 49_152;

export interface SentDatagram {
  readonly message: Uint8Array;
  readonly to: Endpoint;
  /** Of the socket it left from. */
  readonly localPort: number;
  readonly firewallMark: number;
  readonly fib?: number;
}

type ConnectOptions = Parameters<NonNullable<CaptureModule['connectTcp']>>[0];

export interface FakeTraffic extends Required<Pick<CaptureModule, 'openDatagrams' | 'connectTcp'>> {
  /** Options of the UDP sockets that are open now, by their port. */
  readonly datagramSockets: ReadonlyMap<number, DatagramsOptions>;
  /** What went out, oldest first; failed sends are not in it. */
  readonly datagrams: SentDatagram[];
  /** Where connections were opened to, oldest first: by the system's own means, so that a server on loopback answers. */
  readonly connections: Pick<ConnectOptions, 'to' | 'firewallMark' | 'fib'>[];
  /** The scripted network: what happens after a datagram left. */
  onDatagram: (sent: SentDatagram) => void;
  /** A datagram arrives at one of the ports; false: no socket has it. */
  deliverDatagram(message: Uint8Array, from: Endpoint, localPort: number): boolean;
}

interface World {
  /** Throws where the test wants a call of this kind to fail. */
  check(what: 'openDatagrams' | 'datagram' | 'connectTcp'): void;
  /** Throws where there is no route. */
  checkRoute(to: string, packet: { readonly firewallMark: number; readonly fib?: number }): void;
}

export function createFakeTraffic({ check, checkRoute }: World): FakeTraffic {
  const datagramSockets = new Map<number, DatagramsOptions>();
  let nextPort = FIRST_PORT;

  const fake: FakeTraffic = {
    datagramSockets,
    datagrams: [],
    connections: [],
    onDatagram: () => {},

    async openDatagrams(options): Promise<Datagrams> {
      check('openDatagrams');
      const { family, firewallMark, fib } = options;
      const localPort = nextPort;
      nextPort += 1;
      datagramSockets.set(localPort, options);
      const packet = { firewallMark, ...(fib !== undefined && { fib }) };
      return {
        async send(message, to) {
          if (!datagramSockets.has(localPort)) throw new StunmeshError('ERR_CLOSED', 'the UDP socket is closed');
          if (to.family !== family)
            throw new StunmeshError('ERR_CAPTURE_SEND', `${to.address} is not an address of IPv${family}`);
          check('datagram');
          checkRoute(to.address, packet);
          const sent = { message: Uint8Array.from(message), to, localPort, ...packet };
          fake.onDatagram(sent);
          fake.datagrams.push(sent);
        },
        async [Symbol.asyncDispose]() {
          datagramSockets.delete(localPort);
        },
      };
    },

    async connectTcp({ to, firewallMark, fib, signal }) {
      signal.throwIfAborted();
      check('connectTcp');
      const packet = { firewallMark, ...(fib !== undefined && { fib }) };
      checkRoute(to.address, packet);
      const socket = await connectPlainly(to, signal);
      fake.connections.push({ to, ...packet });
      return socket;
    },

    deliverDatagram(message, from, localPort) {
      const taker = datagramSockets.get(localPort);
      if (!taker || taker.family !== from.family) return false;
      taker.onMessage(Uint8Array.from(message), from);
      return true;
    },
  };
  return fake;
}

/** Errors: ERR_CAPTURE_SEND, the signal's reason. */
function connectPlainly(to: Endpoint, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: to.address, port: to.port, signal });
    const failed = (error: Error): void => {
      socket.destroy();
      const refusal = new StunmeshError('ERR_CAPTURE_SEND', `nobody accepts connections at ${to.address}`, {
        cause: error,
      });
      reject(signal.aborted ? signal.reason : refusal);
    };
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.off('error', failed);
      resolve(socket);
    });
  });
}
