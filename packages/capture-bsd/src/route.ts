/** Which way a packet would leave: a UDP socket that is connected and sends nothing knows. */
import { hasCode, type Route } from '@stunmesh/core/api';
import { decodeSockaddr, encodeSockaddr, int32, isSystemError, type NativeSocket } from '@stunmesh/core/capture-kit';
import { isLinkLocal, parseAddress } from '@stunmesh/core/net';
import { routingTableError } from './errors.js';
import { listInterfaces } from './interfaces.js';
import type { Native } from './native.js';

/** What routing looks at beside the destination. */
export interface RoutingKey {
  /** Linux's SO_MARK; FreeBSD's SO_USER_COOKIE, which if_wg's fwmark is there. 0: none. */
  readonly firewallMark: number;
  /** FreeBSD: the routing table. */
  readonly fib?: number;
}

/** Gives a socket WireGuard's mark and routing table, where the system has such things. Errors: SystemError; ERR_CAPTURE_OPEN for a table that there is not. */
export function applyRoutingKey(native: Native, socket: NativeSocket, { firewallMark, fib }: RoutingKey): void {
  const { constants: c } = native;
  const mark = c.SO_MARK || c.SO_USER_COOKIE;
  if (firewallMark !== 0 && mark !== 0) native.setOption(socket, c.SOL_SOCKET, mark, int32(firewallMark));
  if (fib === undefined || c.SO_SETFIB === 0) return;
  try {
    native.setOption(socket, c.SOL_SOCKET, c.SO_SETFIB, int32(fib));
  } catch (error) {
    throw routingTableError(error, fib);
  }
}

/** The source address that the kernel chooses towards `to`. Errors: SystemError where there is no route. */
export function sourceFor(native: Native, to: string, key: RoutingKey, scope = 0): string {
  const { constants: c } = native;
  const socket = native.open(to.includes(':') ? c.AF_INET6 : c.AF_INET, c.SOCK_DGRAM, 0);
  try {
    applyRoutingKey(native, socket, key);
    native.connect(socket, encodeSockaddr(native, to, 9, scope));
    const local = decodeSockaddr(native, native.localAddress(socket));
    if (!local) throw new Error(`no local address towards ${to}`);
    return local.address;
  } finally {
    native.close(socket);
  }
}

/** The interface and source address towards `to`; undefined where there is no route, or it leaves by another device than asked for. */
export function routeTo(
  native: Native,
  options: RoutingKey & { readonly to: string; readonly device?: string },
): Route | undefined {
  if (!parseAddress(options.to)) return undefined;
  const scope = options.device !== undefined && isLinkLocal(options.to) ? native.interfaceIndex(options.device) : 0;
  let source: string;
  try {
    source = sourceFor(native, options.to, options, scope);
  } catch (error) {
    if (isSystemError(error) || hasCode(error, 'ERR_CAPTURE_OPEN')) return undefined;
    throw error;
  }
  const holders = listInterfaces(native).filter((i) => i.addresses.some(({ address }) => address === source));
  // The same address may stand on several point-to-point interfaces; then the one that was asked for is believed.
  const via = holders.find(({ name }) => name === options.device) ?? holders[0];
  if (!via || (options.device !== undefined && via.name !== options.device)) return undefined;
  return { interface: via.name, source };
}

/** Addresses of the documentation of nobody in particular: what leads there is the default route (RFC 7526's old anycast, RFC 3849). */
const ANYWHERE = ['192.88.99.1', '2001:db8::1'] as const;

/** Names of the interfaces that the default routes of both families leave by. */
export function defaultRouteInterfaces(native: Native, key: RoutingKey): readonly string[] {
  return [...new Set(ANYWHERE.flatMap((to) => routeTo(native, { ...key, to })?.interface ?? []))];
}
