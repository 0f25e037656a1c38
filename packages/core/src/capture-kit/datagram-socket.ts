/** UDP sockets of other traffic that takes WireGuard's way out: towards one address, or towards many. */
import type {
  DatagramSocket,
  DatagramSocketOptions,
  Datagrams,
  DatagramsOptions,
  Endpoint,
  Family,
  StunmeshError,
} from '../api/index.js';
import { formatEndpoint } from '../net/index.js';
import { type CaptureErrors, closedError, lostError } from './errors.js';
import { decodeSockaddr, encodeSockaddr } from './sockaddr.js';
import type { NativeSocket, PacketListener, SystemCalls } from './system-calls.js';

/** The largest UDP message. */
const BUFFER_BYTES = 65_536;
/** What an ICMP message makes of a socket's next call; the one after it may pass. */
const TOLD_BY_ICMP: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
]);
const ANY: Readonly<Record<Family, string>> = { 4: '0.0.0.0', 6: '::' };

export interface SocketSystem {
  readonly native: SystemCalls;
  readonly errors: CaptureErrors;
  /** Gives a new socket WireGuard's mark or routing table, where the system has such things. Throws a SystemError. */
  prepare(socket: NativeSocket): void;
}

/** A prepared socket of this type. Errors: SystemError. */
export function openPrepared(
  { native, prepare }: Pick<SocketSystem, 'native' | 'prepare'>,
  family: Family,
  type: number,
): NativeSocket {
  const { constants: c } = native;
  const socket = native.open(family === 4 ? c.AF_INET : c.AF_INET6, type, 0);
  try {
    prepare(socket);
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

interface Talk {
  readonly native: SystemCalls;
  readonly socket: NativeSocket;
  isOpen(): boolean;
  close(): void;
}

interface Listening {
  readonly family: Family;
  /** Names the socket in errors, and where a message that failed was going. */
  readonly what: string;
  readonly place: string;
  /** Binds or connects it. */
  set(socket: NativeSocket): void;
  onMessage(message: Uint8Array, from: Uint8Array): void;
  onFault(error: StunmeshError): void;
}

/** Opens a UDP socket and reads from it. Errors: as openDatagramSocket. */
function open(system: SocketSystem, o: Listening): Talk {
  const { native, errors } = system;
  let socket: NativeSocket | undefined;
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    if (socket) native.close(socket);
  };
  const onPacket: PacketListener = (error, message, from) => {
    if (!isOpen || !socket) return;
    if (!error) o.onMessage(message, from);
    else if (TOLD_BY_ICMP.has(error.code)) {
      native.resume(socket);
      o.onFault(errors.sendError(error, o.place) as StunmeshError);
    } else {
      close();
      o.onFault(lostError(o.what, error));
    }
  };
  try {
    socket = openPrepared(system, o.family, native.constants.SOCK_DGRAM);
    o.set(socket);
    native.start(socket, BUFFER_BYTES, onPacket);
    return { native, socket, isOpen: () => isOpen, close };
  } catch (error) {
    close();
    throw errors.openError(error, o.what);
  }
}

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN. */
export function openDatagramSocket(
  system: SocketSystem,
  { to, from, onMessage, onFault }: Pick<DatagramSocketOptions, 'to' | 'from' | 'onMessage' | 'onFault'>,
): DatagramSocket {
  const { native, errors } = system;
  const place = formatEndpoint(to);
  const what = `the UDP socket to ${place}`;
  const scope = to.zone === undefined ? 0 : native.interfaceIndex(to.zone);
  const address = encodeSockaddr(native, to.address, to.port, scope);
  const talk = open(system, {
    family: to.family,
    what,
    place,
    set(socket) {
      if (from !== undefined) native.bind(socket, encodeSockaddr(native, from, 0));
      native.connect(socket, address);
    },
    onMessage: (message) => onMessage(message),
    onFault,
  });
  // The BSDs refuse an address on a connected socket.
  const none = new Uint8Array();
  return {
    async send(message) {
      if (!talk.isOpen()) throw closedError(what);
      try {
        native.send(talk.socket, message, none);
      } catch (error) {
        throw errors.sendError(error, place);
      }
    },
    async [Symbol.asyncDispose]() {
      talk.close();
    },
  };
}

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN. */
export function openDatagrams(
  system: SocketSystem,
  { family, onMessage, onFault }: Pick<DatagramsOptions, 'family' | 'onMessage' | 'onFault'>,
): Datagrams {
  const { native, errors } = system;
  const what = `the UDP socket for IPv${family}`;
  const talk = open(system, {
    family,
    what,
    place: `an IPv${family} address`,
    set: (socket) => native.bind(socket, encodeSockaddr(native, ANY[family], 0)),
    onMessage(message, from) {
      const sender = decodeSockaddr(native, from);
      if (sender) onMessage(message, endpointOf(sender));
    },
    onFault,
  });
  return {
    async send(message, to) {
      if (!talk.isOpen()) throw closedError(what);
      try {
        native.send(talk.socket, message, encodeSockaddr(native, to.address, to.port));
      } catch (error) {
        throw errors.sendError(error, formatEndpoint(to));
      }
    },
    async [Symbol.asyncDispose]() {
      talk.close();
    },
  };
}

function endpointOf({ family, address, port }: Endpoint): Endpoint {
  return { family, address, port };
}
