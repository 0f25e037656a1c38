/** The raw ICMP socket bound to a tunnel device: Linux's part of it. */
import type { EchoSocket, EchoSocketOptions } from '@stunmesh/core/api';
import {
  BYTE_ORDER,
  ECHO_REPLY,
  icmp6EchoFilter,
  int32,
  type NativeSocket,
  openRawIcmp,
  openEchoSocket as openSystemEcho,
} from '@stunmesh/core/capture-kit';
import { assembleBpf, bpf, DROP_ALL, encodeBpf, parseIpv4 } from '@stunmesh/core/net';
import type { DeviceWatch } from './device-watch.js';
import { errors } from './errors.js';
import type { Native } from './native.js';

const KEEP_ALL = assembleBpf([bpf.keep(0xffff)]);
const ICMP = 1;

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN (also when there is no such device). */
export function openEchoSocket(native: Native, watch: DeviceWatch, options: EchoSocketOptions): EchoSocket {
  return openSystemEcho(
    {
      native,
      errors,
      openRaw: () => openRaw(native, options),
      onGone: ({ index }, gone) => watch.onGone(index, gone),
      readIpv4(packet) {
        const ip = parseIpv4(packet);
        return ip?.protocol === ICMP ? { icmp: ip.payload, from: ip.source } : undefined;
      },
    },
    options,
  );
}

function openRaw(native: Native, { family, device, dontFragment }: EchoSocketOptions): NativeSocket {
  const { constants: c } = native;
  const socket = openRawIcmp(native, family);
  try {
    // As F4: until the socket is bound it hears every device.
    native.attachFilter(socket, encodeBpf(DROP_ALL, BYTE_ORDER));
    native.drain(socket);
    if (family === 4) native.setOption(socket, c.SOL_RAW, c.ICMP_FILTER, icmpFilter());
    else native.setOption(socket, c.IPPROTO_ICMPV6, c.ICMP6_FILTER, icmp6EchoFilter(native));
    const [level, name] = family === 4 ? [c.IPPROTO_IP, c.IP_MTU_DISCOVER] : [c.IPPROTO_IPV6, c.IPV6_MTU_DISCOVER];
    // ip(7): never cut up, and what was learnt of a path's size does not count.
    if (dontFragment) native.setOption(socket, level, name, int32(c.IP_PMTUDISC_PROBE));
    native.setOption(socket, c.SOL_SOCKET, c.SO_BINDTODEVICE, Buffer.from(`${device}\0`));
    native.attachFilter(socket, encodeBpf(KEEP_ALL, BYTE_ORDER));
    return socket;
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

/** icmp(7): a set bit blocks that type. */
function icmpFilter(): Uint8Array {
  return int32(~(1 << ECHO_REPLY[4]));
}
