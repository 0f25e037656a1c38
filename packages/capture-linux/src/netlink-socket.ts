/** Sockets of netlink(7): a question with its answer, and news until closed. */
import {
  drainOverrun,
  encodeNetlinkAddress,
  int32,
  MESSAGE,
  type NativeSocket,
  type NetlinkMessage,
  type PacketListener,
  parseNetlink,
  type SystemError,
} from '@stunmesh/core/capture-kit';
import { errors } from './errors.js';
import type { Native } from './native.js';

/** Room for what the kernel puts into one read. */
export const BUFFER_BYTES = 65_536;
const RECEIVE_BUFFER_BYTES = 1 << 20;

/** `protocol`: one of NETLINK_*; routes by default. Errors: ERR_CAPTURE_OPEN, ERR_CAPTURE_PERMISSION. */
export function openNetlink(
  native: Native,
  groups = 0,
  protocol: number = native.constants.NETLINK_ROUTE,
): NativeSocket {
  const { constants: c } = native;
  let socket: NativeSocket | undefined;
  try {
    socket = native.open(c.AF_NETLINK, c.SOCK_RAW, protocol);
    native.setOption(socket, c.SOL_SOCKET, c.SO_RCVBUF, int32(RECEIVE_BUFFER_BYTES));
    native.bind(socket, encodeNetlinkAddress(groups));
    return socket;
  } catch (error) {
    if (socket) native.close(socket);
    throw errors.openError(error, 'a netlink socket');
  }
}

/** All messages of the answer up to its end (a dump's "done", an error, or one message). The kernel answers before send() returns, so this never waits. */
export function askNetlink(native: Native, request: Uint8Array): readonly NetlinkMessage[] {
  const socket = openNetlink(native);
  try {
    return exchange(native, socket, request);
  } catch (error) {
    throw errors.openError(error, 'a netlink request');
  } finally {
    native.close(socket);
  }
}

/** The same by a socket that is open. Errors: SystemError. */
export function exchange(native: Native, socket: NativeSocket, request: Uint8Array): readonly NetlinkMessage[] {
  native.send(socket, request, encodeNetlinkAddress());
  const answer: NetlinkMessage[] = [];
  for (;;) {
    const bytes = native.receive(socket, BUFFER_BYTES);
    if (!bytes) return answer;
    for (const message of parseNetlink(bytes)) {
      if (message.type === MESSAGE.done) return answer;
      answer.push(message);
    }
  }
}

export interface NewsListener {
  news(messages: readonly NetlinkMessage[]): void;
  /** The kernel's buffer ran over: anything may have changed. */
  overrun(): void;
  fault(error: SystemError): void;
}

/** Listens to multicast groups until closed. Errors: ERR_CAPTURE_OPEN. */
export function listenNetlink(native: Native, groups: number, on: NewsListener): { close(): void } {
  const socket = openNetlink(native, groups);
  let open = true;
  const close = () => {
    open = false;
    native.close(socket);
  };
  const onPacket: PacketListener = (error, packet, from) => {
    if (!open) return;
    if (error?.code === 'ENOBUFS') {
      drainOverrun(native, socket);
      native.resume(socket);
      on.overrun();
    } else if (error) {
      close();
      on.fault(error);
    } else if (isKernel(from)) on.news(parseNetlink(packet));
  };
  try {
    native.start(socket, BUFFER_BYTES, onPacket);
  } catch (error) {
    close();
    throw errors.openError(error, 'a netlink socket');
  }
  return { close };
}

/** Any process may send to a netlink socket; the kernel's port is 0. */
function isKernel(from: Uint8Array): boolean {
  return from.length >= 8 && from.subarray(4, 8).every((byte) => byte === 0);
}
