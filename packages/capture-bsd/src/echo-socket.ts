/** The raw ICMP socket for a tunnel device: the BSDs' part of it. */
import { type EchoSocket, type EchoSocketOptions, type Family, StunmeshError } from '@stunmesh/core/api';
import {
  icmp6EchoFilter,
  int32,
  type NativeSocket,
  openRawIcmp,
  openEchoSocket as openSystemEcho,
} from '@stunmesh/core/capture-kit';
import { formatAddress } from '@stunmesh/core/net';
import { errors } from './errors.js';
import type { Native } from './native.js';
import { routeTo } from './route.js';
import type { RouteMonitor } from './route-monitor.js';

/** Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN (also when there is no such device). */
export function openEchoSocket(native: Native, monitor: RouteMonitor, options: EchoSocketOptions): EchoSocket {
  let bound = false;
  return openSystemEcho(
    {
      native,
      errors,
      openRaw(_, index) {
        const opened = openRaw(native, options, index);
        bound = opened.bound;
        return opened.socket;
      },
      onGone: ({ name, index }, gone) =>
        monitor.listen({
          event({ kind }) {
            // macOS tells of a tunnel that is gone by its addresses alone.
            if (kind !== 'route' && native.interfaceIndex(name) !== index) gone();
          },
          fault: gone,
        }),
      checkRoute(to) {
        if (!bound) checkRoute(native, to, options.device);
      },
      readIpv4,
    },
    options,
  );
}

function openRaw(native: Native, { family, device, dontFragment }: EchoSocketOptions, index: number) {
  const { constants: c } = native;
  const socket = openRawIcmp(native, family);
  try {
    const bound = bindToDevice(native, socket, family, device, index);
    if (family === 6) native.setOption(socket, c.IPPROTO_ICMPV6, c.ICMP6_FILTER, icmp6EchoFilter(native));
    const [level, name] = family === 4 ? [c.IPPROTO_IP, c.IP_DONTFRAG] : [c.IPPROTO_IPV6, c.IPV6_DONTFRAG];
    if (dontFragment && name !== 0) native.setOption(socket, level, name, int32(1));
    // As F4: until the socket was bound it heard every device.
    native.drain(socket);
    return { socket, bound };
  } catch (error) {
    native.close(socket);
    throw error;
  }
}

/** False on FreeBSD, which cannot. */
function bindToDevice(native: Native, socket: NativeSocket, family: Family, device: string, index: number): boolean {
  const { constants: c } = native;
  const boundIf = family === 4 ? c.IP_BOUND_IF : c.IPV6_BOUND_IF;
  if (c.SO_BINDTODEVICE !== 0) native.setOption(socket, c.SOL_SOCKET, c.SO_BINDTODEVICE, Buffer.from(`${device}\0`));
  else if (boundIf !== 0) native.setOption(socket, family === 4 ? c.IPPROTO_IP : c.IPPROTO_IPV6, boundIf, int32(index));
  else return false;
  return true;
}

function checkRoute(native: Native, to: string, device: string): void {
  if (routeTo(native, { to, firewallMark: 0, device })) return;
  throw new StunmeshError('ERR_CAPTURE_UNREACHABLE', `the route to ${to} does not leave by ${device}`);
}

/** The header's total length is not looked at: macOS hands it over in host byte order, without the header. */
function readIpv4(packet: Uint8Array): { readonly icmp: Uint8Array; readonly from: string } | undefined {
  const headerBytes = ((packet[0] ?? 0) & 0x0f) * 4;
  if (headerBytes < 20 || packet.length < headerBytes) return undefined;
  return { icmp: packet.subarray(headerBytes), from: formatAddress(packet.subarray(12, 16)) };
}
