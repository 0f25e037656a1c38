/** STUN from WireGuard's port on a BSD: a raw socket sends, and every underlay interface is captured for the answers. */
import { type Endpoint, StunmeshError, type StunSocket, type StunSocketOptions } from '@stunmesh/core/api';
import { encodeUdp, formatEndpoint, readPrefix, udpChecksum } from '@stunmesh/core/net';
import { closedError, lostError, openError, sendError } from './errors.js';
import type { Native, NativeSocket } from './native.js';
import { applyRoutingKey, sourceFor } from './route.js';
import { encodeSockaddr, int32 } from './sockaddr.js';
import { createStunEars, type StunEars, type StunEarsParts } from './stun-ears.js';

/** Where the checksum stands in the UDP header (RFC 3542 section 3.1). */
const CHECKSUM_OFFSET = 6;

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, ERR_CAPTURE_ADDON, ERR_CAPTURE_INTERFACE, the signal's reason. */
export async function openStunSocket(parts: StunEarsParts, options: StunSocketOptions): Promise<StunSocket> {
  const { native } = parts;
  const { family, localPort, signal } = options;
  signal.throwIfAborted();
  const what = `the IPv${family} STUN socket of port ${localPort}`;
  let ears: StunEars | undefined;
  let socket: NativeSocket | undefined;
  let open = true;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    open = false;
    signal.removeEventListener('abort', onAbort);
    closing ??= (async () => {
      if (socket) native.close(socket);
      await ears?.[Symbol.asyncDispose]();
    })();
    return closing;
  };
  const onAbort = () => void close();
  const asked = new Set<string>();
  const prefixes = options.transactionPrefix && { prefixes: [readPrefix(options.transactionPrefix)] };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    socket = openRaw(native, options);
    if (!options.sendOnly) {
      ears = createStunEars(parts, options, {
        isAnswer: (message, from) => asked.has(questionOf(message, from)),
        onFault(error) {
          if (!open) return;
          void close();
          options.onFault(lostError(what, error));
        },
      });
      await ears.listen({ localPort, ...prefixes });
    }
    signal.throwIfAborted();
  } catch (error) {
    await close();
    throw openError(error, what);
  }

  const opened = socket;
  return {
    async send(message, to) {
      if (!open) throw closedError(what);
      if (to.family !== family)
        throw new StunmeshError('ERR_CAPTURE_SEND', `${formatEndpoint(to)} is not for ${what}: another family`);
      try {
        const datagram = encodeUdp({ sourcePort: localPort, destinationPort: to.port, checksum: 0, payload: message });
        // The checksum covers the source address, which the kernel chooses: ask it, each time afresh (F6, F6b).
        if (family === 4)
          new DataView(datagram.buffer).setUint16(
            6,
            udpChecksum(datagram, sourceFor(native, to.address, options), to.address),
          );
        native.send(opened, datagram, encodeSockaddr(native, to.address, 0, scopeOf(native, to)));
      } catch (error) {
        throw sendError(error, formatEndpoint(to));
      }
      // The same question again: its answer may have come, to a port that this host's own firewall made up.
      const question = questionOf(message, to);
      if (asked.has(question)) ears?.listen({ sourcePort: to.port, ...prefixes }).catch(() => {});
      else asked.add(question);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Server and transaction id (RFC 8489 section 5), the same for a request, its repetitions and their answers. */
function questionOf(message: Uint8Array, { address, port }: Endpoint): string {
  return `${address} ${port} ${Buffer.from(message.subarray(8, 20)).toString('hex')}`;
}

function openRaw(native: Native, options: StunSocketOptions): NativeSocket {
  const { constants: c } = native;
  // Without IP_HDRINCL: the kernel writes the IP header, and its length and offset are right on every system.
  const socket = native.open(options.family === 4 ? c.AF_INET : c.AF_INET6, c.SOCK_RAW, c.IPPROTO_UDP);
  try {
    applyRoutingKey(native, socket, options);
    if (options.family === 6) native.setOption(socket, c.IPPROTO_IPV6, c.IPV6_CHECKSUM, int32(CHECKSUM_OFFSET));
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

/** The interface index of a zone; 0: the address has none. */
function scopeOf(native: Native, { address, zone }: Endpoint): number {
  if (zone === undefined) return 0;
  const index = native.interfaceIndex(zone);
  if (index !== 0) return index;
  throw new StunmeshError('ERR_CAPTURE_UNREACHABLE', `there is no interface ${zone} to send to ${address} by`);
}
