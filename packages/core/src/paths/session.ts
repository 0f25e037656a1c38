/** When WireGuard's own packets to a peer have to be kept from its router (rule F43): its endpoint is parked. */
import type { Endpoint } from '../api/index.js';

/** Where packets end on this very host. */
export const PARKED: Endpoint = { family: 4, address: '127.0.0.1', port: 9 };
/** WireGuard gives up a session after it. */
const HANDSHAKE_MS = 180_000;
/** With a keepalive on both sides something comes within it. */
const SILENT_MS = 25_000;

/** What the device and the health rules say of a peer's tunnel; times in milliseconds of a monotonic clock. */
export interface Session {
  /** By the rules of health: life after the last change, and no failed probe since. */
  readonly connected: boolean;
  /** The endpoint that the device has. */
  readonly endpoint?: Endpoint;
  readonly handshakeAt?: number;
  /** When rx last grew. */
  readonly receivedAt?: number;
  readonly keepalive: boolean;
}

/** Of a peer that knows checks. `hasValid`: some path is valid. */
export function isParked(
  { connected, handshakeAt, receivedAt, keepalive }: Session,
  now: number,
  hasValid: boolean,
): boolean {
  if (connected || hasValid) return false;
  if (handshakeAt === undefined || now - handshakeAt >= HANDSHAKE_MS) return true;
  return keepalive && now - (receivedAt ?? handshakeAt) >= SILENT_MS;
}
