/** What a backend reads from a device; the secrets of a reading stay in SecretKey. */
import type { CallOptions, Device, Endpoint, PeerWrite, PublicKey, SecretKey } from '../api/index.js';
import { formatAddress, parsePrefix } from '../net/address.js';
import { parseEndpoint } from '../net/endpoint.js';

/** A device by the configuration's name and by the kernel's (they differ on macOS). */
export interface DeviceNames {
  readonly name: string;
  readonly realName: string;
}

/** One reading of a device, with the preshared keys of those peers that have one: only renewing a peer needs them. */
export interface DeviceReading {
  readonly device: Device;
  readonly presharedKeys: ReadonlyMap<PublicKey, SecretKey>;
}

/** A way to talk to WireGuard: list, read, write. Everything else is built on it in control.ts. */
export interface WireGuardBackend {
  list(options: CallOptions): Promise<readonly string[]>;
  /** Errors: ERR_WG_DEVICE_NOT_FOUND, ERR_WG_PERMISSION, ERR_WG_PROTOCOL, ERR_WG_NOT_FOUND, ERR_WG_FAILED, ERR_DEADLINE. */
  read(device: DeviceNames, options: CallOptions): Promise<DeviceReading>;
  /** All of it in one write, in this order. Errors as read(). */
  write(device: DeviceNames, writes: readonly PeerWrite[], options: CallOptions): Promise<void>;
}

/** A decimal number of at most `most`; undefined otherwise. */
export function parseDecimal(text: string | undefined, most: number): number | undefined {
  if (text === undefined || !/^\d{1,20}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= most ? value : undefined;
}

/** Canonical text of a prefix that WireGuard printed; undefined when it is none. */
export function canonicalPrefix(text: string): string | undefined {
  const prefix = text.includes('/') ? parsePrefix(text) : undefined;
  return prefix && `${formatAddress(prefix.bytes)}/${prefix.length}`;
}

/** An endpoint that WireGuard printed; a zone whose name has letters that stunmesh does not take is left out. */
export function parseShownEndpoint(text: string): Endpoint | undefined {
  return parseEndpoint(text) ?? parseEndpoint(text.replace(/%[^\]]*(?=\])/, ''));
}
