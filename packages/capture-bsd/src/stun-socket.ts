/** STUN from WireGuard's port on a BSD: a raw socket sends, and every underlay interface is captured for the answers. */
import type { Endpoint, StunSocket, StunSocketOptions } from '@stunmesh/core/api';
import { closedError, createUdpSender, lostError, type NativeSocket, openRawUdp } from '@stunmesh/core/capture-kit';
import { errors } from './errors.js';
import type { Native } from './native.js';
import { applyRoutingKey, sourceFor } from './route.js';
import { createStunReceiver, type StunReceiver, type StunReceiverParts } from './stun-receiver.js';

/** Questions that are remembered. */
const MOST_ASKED = 256;

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, ERR_CAPTURE_ADDON, ERR_CAPTURE_INTERFACE, the signal's reason. */
export async function openStunSocket(parts: StunReceiverParts, options: StunSocketOptions): Promise<StunSocket> {
  const { native } = parts;
  const { family, localPort, signal } = options;
  signal.throwIfAborted();
  const what = `the IPv${family} STUN socket of port ${localPort}`;
  let receiver: StunReceiver | undefined;
  let socket: NativeSocket | undefined;
  let open = true;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    open = false;
    signal.removeEventListener('abort', onAbort);
    closing ??= (async () => {
      if (socket) native.close(socket);
      await receiver?.[Symbol.asyncDispose]();
    })();
    return closing;
  };
  const onAbort = () => void close();
  const asked = new Set<string>();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    socket = openRaw(native, options);
    if (!options.sendOnly) {
      receiver = createStunReceiver(parts, options, {
        isAnswer: (message, from) => asked.has(questionOf(message, from)),
        onFault(error) {
          if (!open) return;
          void close();
          options.onFault(lostError(what, error));
        },
      });
      await receiver.listen();
    }
    signal.throwIfAborted();
  } catch (error) {
    await close();
    throw errors.openError(error, what);
  }

  const send = createUdpSender({
    native,
    socket,
    family,
    localPort,
    what,
    isOpen: () => open,
    sourceFor: ({ address }) => sourceFor(native, address, options),
    sendError: (error, to) => errors.sendError(error, to),
  });
  return {
    async send(message, to, how) {
      send(message, to, how);
      // The same question again: its answer may have come, to a port that this host's own firewall made up.
      const question = questionOf(message, to);
      if (asked.has(question)) receiver?.listenFrom(to.port).catch(() => {});
      else asked.add(question);
      const [oldest] = asked;
      if (asked.size > MOST_ASKED && oldest !== undefined) asked.delete(oldest);
    },
    async passRequests(requests) {
      if (!open) throw closedError(what);
      await receiver?.passRequests(requests);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Server and transaction id (RFC 8489 section 5), the same for a request, its repetitions and their answers. */
function questionOf(message: Uint8Array, { address, port }: Endpoint): string {
  return `${address} ${port} ${Buffer.from(message.subarray(8, 20)).toString('hex')}`;
}

function openRaw(native: Native, options: StunSocketOptions): NativeSocket {
  const socket = openRawUdp(native, options.family);
  try {
    applyRoutingKey(native, socket, options);
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}
