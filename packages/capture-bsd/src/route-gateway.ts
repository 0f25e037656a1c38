/** The gateway of a route, by RTM_GET on a route(4) socket. */
import { endianness } from 'node:os';
import { decodeSockaddr, encodeSockaddr, isSystemError } from '@stunmesh/core/capture-kit';
import type { Native } from './native.js';
import { applyRoutingKey, type RoutingKey } from './route.js';

/** net/route.h. */
const RTM_VERSION = 5;
const RTM_GET = 0x4;
const RTA = { destination: 0x1, gateway: 0x2 } as const;
const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
/** struct rt_msghdr of 64-bit machines, and the multiple of bytes at which its addresses begin. */
export const ROUTE_HEADER = {
  freebsd: { bytes: 152, align: 8 },
  darwin: { bytes: 92, align: 4 },
} as const;
type System = keyof typeof ROUTE_HEADER;
const LITTLE = endianness() === 'LE';
const BUFFER_BYTES = 4096;
/** The kernel answers by way of a queue of its own: so many turns of the event loop are waited, some ten milliseconds at most. */
const MOST_TURNS = 10_000;

let questions = 0;

/** The gateway towards `to`; undefined: it is on the link, has no route, or the system does not tell. */
export async function gatewayTo(
  native: Native,
  to: string,
  key: RoutingKey,
  platform: NodeJS.Platform = process.platform,
): Promise<string | undefined> {
  const { constants: c } = native;
  const header = ROUTE_HEADER[platform as System];
  if (c.AF_ROUTE === 0 || header === undefined) return undefined;
  questions = (questions + 1) & 0x7fffffff;
  const sequence = questions;
  try {
    const socket = native.open(c.AF_ROUTE, c.SOCK_RAW, 0);
    try {
      if (key.fib !== undefined) applyRoutingKey(native, socket, { firewallMark: 0, fib: key.fib });
      native.send(socket, routeQuestion(native, to, sequence, header), new Uint8Array());
      for (let turn = 0; turn < MOST_TURNS; turn += 1) {
        const bytes = native.receive(socket, BUFFER_BYTES);
        if (!bytes) await new Promise<void>((resolve) => void setImmediate(resolve));
        else if (isAnswer(bytes, sequence)) return readGateway(native, bytes, header);
      }
      return undefined;
    } finally {
      native.close(socket);
    }
  } catch (error) {
    // ESRCH: no route.
    if (isSystemError(error)) return undefined;
    throw error;
  }
}

interface Header {
  readonly bytes: number;
  readonly align: number;
}

export function routeQuestion(
  native: Pick<Native, 'constants'>,
  to: string,
  sequence: number,
  header: Header,
): Uint8Array {
  const address = encodeSockaddr(native, to, 0);
  const bytes = new Uint8Array(header.bytes + aligned(address.length, header.align));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, bytes.length, LITTLE);
  bytes[2] = RTM_VERSION;
  bytes[3] = RTM_GET;
  view.setInt32(8, RTF_HOST, LITTLE);
  view.setInt32(12, RTA.destination, LITTLE);
  view.setInt32(20, sequence, LITTLE);
  bytes.set(address, header.bytes);
  return bytes;
}

/** Answers go to all who listen. */
function isAnswer(bytes: Uint8Array, sequence: number): boolean {
  if (bytes.length < 24 || bytes[3] !== RTM_GET) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getInt32(20, LITTLE) === sequence && view.getInt32(16, LITTLE) === process.pid;
}

/** The gateway in an answer to RTM_GET; undefined: the destination is on the link. */
export function readGateway(
  native: Pick<Native, 'constants'>,
  bytes: Uint8Array,
  { bytes: headerBytes, align }: Header,
): string | undefined {
  if (bytes.length < headerBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const addresses = view.getInt32(12, LITTLE);
  if ((view.getInt32(8, LITTLE) & RTF_GATEWAY) === 0 || (addresses & RTA.gateway) === 0) return undefined;
  // The destination stands first; a sockaddr begins with its length, 0 for one that takes a single multiple.
  const length = bytes[headerBytes] ?? 0;
  const at = headerBytes + ((addresses & RTA.destination) === 0 ? 0 : aligned(length, align));
  return decodeSockaddr(native, bytes.subarray(at, at + (bytes[at] ?? 0)))?.address;
}

function aligned(length: number, align: number): number {
  return length === 0 ? align : Math.ceil(length / align) * align;
}
