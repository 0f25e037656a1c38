/** WireGuard of a kernel as a capture module can offer it: one reading of a device, and writes, with no other program. */
import type { Clock } from './clock.js';
import type { Endpoint } from './endpoint.js';
import type { PublicKey, SecretKey } from './keys.js';
import type { CallOptions } from './store.js';
import type { Device } from './wireguard.js';

/** What a kernel says of a device in one reading. */
export interface KernelDevice extends Pick<Device, 'listenPort' | 'firewallMark' | 'peers'> {
  /** Absent: the device has no key yet. */
  readonly keys?: Pick<Device, 'publicKey' | 'secretKey'>;
  /** Of those peers that have one. */
  readonly presharedKeys: ReadonlyMap<PublicKey, SecretKey>;
}

/** One peer's part of a write; members that are absent stay as they are. */
export interface PeerWrite {
  readonly publicKey: PublicKey;
  /** Takes the peer away; no other member counts then. */
  readonly remove?: true;
  /** Never create the peer, where the way to WireGuard knows how (F17). */
  readonly updateOnly?: true;
  readonly presharedKey?: SecretKey | undefined;
  readonly endpoint?: Endpoint | undefined;
  /** 0: off. */
  readonly keepaliveSeconds?: number;
  /** Replaces those that it has. */
  readonly allowedIps?: readonly string[];
}

/** WireGuard devices of this system's kernel, those of this network namespace alone. Errors of all: ERR_WG_PERMISSION, ERR_WG_PROTOCOL,
 * ERR_WG_FAILED, the signal's reason; ERR_CAPTURE_ADDON and ERR_CAPTURE_OPEN where the kernel cannot be asked from here at all, so that
 * another way may be tried. */
export interface KernelWireGuard {
  /** How the kernel is spoken to (Device.way): 'netlink'. */
  readonly way: string;
  /** Their names. */
  list(options: CallOptions): Promise<readonly string[]>;
  /** Between the parts of a large device the event loop turns. Errors: ERR_WG_DEVICE_NOT_FOUND (its message says why), also where an interface of this name is none of the kernel's WireGuard. */
  read(device: string, options: CallOptions & { readonly clock: Pick<Clock, 'sleep'> }): Promise<KernelDevice>;
  /** In this order. The writes of one peer that follow each other are carried out as one step. Errors: as read(). */
  write(device: string, writes: readonly PeerWrite[], options: CallOptions): Promise<void>;
}
