/** Which way a packet would leave. */
import type { Endpoint, Route } from '@stunmesh/core/api';
import { decodeSockaddr, encodeSockaddr, int32, MESSAGE, parseRoute, routeRequest } from '@stunmesh/core/capture-kit';
import { parseAddress } from '@stunmesh/core/net';
import type { Native } from './native.js';
import { askNetlink } from './netlink-socket.js';

/** The IPv4 source address that the kernel chooses for a packet with this mark: a UDP socket connected to the destination tells (nothing is sent). Errors: SystemError. */
export function sourceFor(native: Native, to: Endpoint, firewallMark: number): string {
  const { constants: c } = native;
  const socket = native.open(c.AF_INET, c.SOCK_DGRAM, 0);
  try {
    if (firewallMark !== 0) native.setOption(socket, c.SOL_SOCKET, c.SO_MARK, int32(firewallMark));
    native.connect(socket, encodeSockaddr(native, to.address, to.port));
    const local = decodeSockaddr(native, native.localAddress(socket));
    if (!local) throw new Error(`no local address towards ${to.address}`);
    return local.address;
  } finally {
    native.close(socket);
  }
}

/** The route that the kernel would take; undefined where there is none (also: unreachable, prohibit, blackhole, no such device). Errors: ERR_CAPTURE_OPEN. */
export function routeTo(
  native: Native,
  options: { readonly to: string; readonly firewallMark: number; readonly device?: string },
): Route | undefined {
  const address = parseAddress(options.to);
  if (!address) return undefined;
  const device = options.device === undefined ? 0 : native.interfaceIndex(options.device);
  if (options.device !== undefined && device === 0) return undefined;
  const answer = askNetlink(native, routeRequest(address, options.firewallMark, device));
  const found = answer.find((message) => message.type === MESSAGE.newRoute);
  const route = found && parseRoute(found.body);
  if (route?.outInterface === undefined) return undefined;
  const name = native.interfaceName(route.outInterface);
  if (name === '') return undefined;
  const { source = address.length === 4 ? '0.0.0.0' : '::', gateway } = route;
  return { interface: name, source, ...(gateway !== undefined && { gateway }) };
}
