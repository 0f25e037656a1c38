/** The kernel's WireGuard by generic netlink: a device in one dump, writes in few messages, no process and no file. */
import { type Endpoint, type KernelDevice, type KernelWireGuard, StunmeshError } from '@stunmesh/core/api';
import {
  decodeSockaddr,
  encodeNetlinkAddress,
  encodeSockaddr,
  isSystemError,
  LITTLE,
  linkDumpRequest,
  MESSAGE,
  type NativeSocket,
  type NetlinkMessage,
  netlinkErrno,
  parseAttributes,
  parseNetlink,
} from '@stunmesh/core/capture-kit';
import { parseEndpoint } from '@stunmesh/core/net';
import type { Native } from '../native.js';
import { askNetlink, BUFFER_BYTES, exchange, openNetlink } from '../netlink-socket.js';
import { Malformed } from './attributes.js';
import { createDeviceReader } from './device-reader.js';
import { CONTROLLER, GENERIC_HEADER_BYTES } from './layout.js';
import { wireGuardLinks } from './links.js';
import { deviceRequest, familyRequest, type Sockaddrs, writeRequests } from './requests.js';

const NETLINK_GENERIC = 16;
/** The device changed while the kernel told of it. */
const INTERRUPTED = 0x10;
const READINGS = 5;
/** About 300 bytes a peer: room for a hundred thousand. */
const MOST_BYTES = 32 * 1024 * 1024;
/** Of the number that an error message begins with. */
const ERRNO_BYTES = 4;
const ERRNO = { permission: 1, noEntry: 2, denied: 13, noDevice: 19, notSupported: 95 } as const;

export function createKernelWireGuard(native: () => Native): KernelWireGuard {
  /** Runs `use` with a socket and the number of WireGuard's family, which a module that was loaded again has another of. */
  async function withFamily<T>(
    device: string,
    use: (calls: Native, socket: NativeSocket, family: number) => T | Promise<T>,
  ): Promise<T> {
    const calls = native();
    // Asking for the family makes the kernel look for its module: not for a device that is not there.
    if (calls.interfaceIndex(device) === 0) throw missingError(device, 'there is no interface of this name');
    const socket = openNetlink(calls, 0, NETLINK_GENERIC);
    try {
      return await use(calls, socket, findFamily(calls, socket, device));
    } catch (error) {
      if (error instanceof Malformed)
        throw new StunmeshError('ERR_WG_PROTOCOL', `netlink said something unexpected: ${error.where}`, {
          details: { device, where: error.where },
        });
      if (!isSystemError(error)) throw error;
      throw new StunmeshError('ERR_WG_FAILED', `netlink failed: ${error.message}`, {
        details: { device, cause: error.code },
      });
    } finally {
      calls.close(socket);
    }
  }

  return {
    way: 'netlink',
    async list({ signal }) {
      signal.throwIfAborted();
      return wireGuardLinks(askNetlink(native(), linkDumpRequest()));
    },
    read: (device, { signal, clock }) =>
      withFamily(device, async (calls, socket, family) => {
        for (let reading = 0; reading < READINGS; reading += 1) {
          // Our own writes between two parts change the device too: what was interrupted is read again in one go.
          const turn = reading === 0 ? () => clock.sleep(0, signal) : undefined;
          const found = await readOnce(calls, socket, deviceRequest(family, device), device, signal, turn);
          if (found) return found;
        }
        throw new StunmeshError('ERR_WG_FAILED', `it changed each time while it was read, ${READINGS} times`, {
          details: { device },
        });
      }),
    write: (device, writes, { signal }) =>
      withFamily(device, (calls, socket, family) => {
        signal.throwIfAborted();
        for (const request of writeRequests(family, device, writes, sockaddrsOf(calls))) {
          const answer = sendSecret(calls, socket, request).find(({ type }) => type === MESSAGE.error);
          if (!answer) throw new Malformed('a write without its acknowledgement');
          refuse(device, answer);
        }
      }),
  };
}

function findFamily(native: Native, socket: NativeSocket, device: string): number {
  const answer = exchange(native, socket, familyRequest());
  for (const { type, body } of answer) {
    if (type === MESSAGE.error && netlinkErrno(body) === ERRNO.noEntry)
      throw missingError(device, 'this kernel has no WireGuard, or its module cannot be loaded');
    if (type === MESSAGE.error) refuse(device, { body });
    const id =
      type === CONTROLLER.family ? parseAttributes(body, GENERIC_HEADER_BYTES).get(CONTROLLER.familyId) : undefined;
    if (id?.length === 2) return new DataView(id.buffer, id.byteOffset, 2).getUint16(0, LITTLE);
  }
  throw new Malformed("the number of WireGuard's family");
}

/** Undefined: it changed meanwhile. Between two parts the event loop turns, if it may. */
async function readOnce(
  native: Native,
  socket: NativeSocket,
  request: Uint8Array,
  device: string,
  signal: AbortSignal,
  turn: (() => Promise<void>) | undefined,
): Promise<KernelDevice | undefined> {
  const reader = createDeviceReader((sockaddr) => toEndpoint(native, sockaddr));
  let interrupted = false;
  let total = 0;
  signal.throwIfAborted();
  native.send(socket, request, encodeNetlinkAddress());
  for (;;) {
    const bytes = native.receive(socket, BUFFER_BYTES);
    if (!bytes) throw new Malformed('an answer without its end');
    try {
      total += bytes.length;
      if (total > MOST_BYTES) throw new Malformed(`more than ${MOST_BYTES} bytes`);
      for (const message of parseNetlink(bytes)) {
        interrupted ||= (message.flags & INTERRUPTED) !== 0;
        // A dump that ends early ends with the errno where others have zero.
        if (message.type === MESSAGE.error || message.type === MESSAGE.done) {
          refuse(device, message);
          return interrupted ? undefined : reader.finish();
        }
        if (!interrupted) reader.add(message.body);
      }
    } finally {
      // Keys stand in it.
      bytes.fill(0);
    }
    if (turn) await turn();
  }
}

/** Errors: those that the errno in an error message, or in the end of a dump, stands for; 0: none. */
function refuse(device: string, { body }: Pick<NetlinkMessage, 'body'>): void {
  const errno = netlinkErrno(body);
  if (errno === 0) return;
  if (errno === ERRNO.permission || errno === ERRNO.denied)
    throw new StunmeshError('ERR_WG_PERMISSION', 'the kernel asks for CAP_NET_ADMIN in this network namespace', {
      details: { device },
    });
  if (errno === ERRNO.noDevice) throw missingError(device, 'there is no interface of this name');
  if (errno === ERRNO.notSupported)
    throw missingError(device, "the interface of this name is none of the kernel's WireGuard");
  throw new StunmeshError('ERR_WG_FAILED', `the kernel refused it (errno ${errno})`, { details: { device, errno } });
}

const missingError = (device: string, why: string): StunmeshError =>
  new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', why, { details: { device } });

function sendSecret(native: Native, socket: NativeSocket, request: Uint8Array): readonly NetlinkMessage[] {
  try {
    const answers = exchange(native, socket, request);
    // A refusal repeats the whole request behind its errno.
    for (const { body } of answers) body.fill(0, ERRNO_BYTES);
    return answers;
  } finally {
    request.fill(0);
  }
}

function toEndpoint(native: Native, sockaddr: Uint8Array): Endpoint | undefined {
  const found = decodeSockaddr(native, sockaddr);
  if (!found) return undefined;
  const { scope, ...endpoint } = found;
  const zone = scope === 0 ? '' : native.interfaceName(scope);
  // A zone whose name has letters that stunmesh does not take is left out.
  return (zone !== '' && parseEndpoint(`[${endpoint.address}%${zone}]:${endpoint.port}`)) || endpoint;
}

function sockaddrsOf(native: Native): Sockaddrs {
  const { AF_INET, AF_INET6 } = native.constants;
  return {
    AF_INET,
    AF_INET6,
    encode({ address, port, zone }) {
      const scope = zone === undefined ? 0 : native.interfaceIndex(zone) || (/^\d{1,9}$/.test(zone) ? Number(zone) : 0);
      if (zone !== undefined && scope === 0)
        throw new StunmeshError('ERR_WG_FAILED', `there is no interface "${zone}" for the endpoint ${address}%${zone}`);
      return encodeSockaddr(native, address, port, scope);
    },
  };
}
