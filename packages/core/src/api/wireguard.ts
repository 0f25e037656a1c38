/** The three verbs that stunmesh needs of WireGuard (and a fourth, to shake hands at once), whichever implementation serves them. */
import type { Endpoint } from './endpoint.js';
import type { PublicKey, SecretKey } from './keys.js';
import type { CallOptions } from './store.js';

/** A peer as WireGuard shows it. */
export interface Peer {
  readonly publicKey: PublicKey;
  /** Absent: WireGuard has none yet. */
  readonly endpoint?: Endpoint;
  /** Prefixes in canonical text, "10.0.0.2/32". */
  readonly allowedIps: readonly string[];
  /** Milliseconds since 1970; absent: never (WireGuard says 0, F25). */
  readonly latestHandshakeAt?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  /** 0: off. */
  readonly keepaliveSeconds: number;
}

/** A device as WireGuard shows it. */
export interface Device {
  /** As the configuration calls it. */
  readonly name: string;
  /** As the kernel calls it (they differ on macOS, where wg-quick names map to utunN). */
  readonly realName: string;
  readonly publicKey: PublicKey;
  readonly secretKey: SecretKey;
  /** How it is controlled: 'socket' (its userspace socket), 'netlink' or 'wg' (wg(8)); absent: not known. */
  readonly way?: string;
  /** 0: not bound yet. */
  readonly listenPort: number;
  /** 0: none. */
  readonly firewallMark: number;
  readonly peers: ReadonlyMap<PublicKey, Peer>;
}

/** Control over WireGuard devices. Errors: ERR_WG_NOT_FOUND (no tool), ERR_WG_DEVICE_NOT_FOUND, ERR_WG_PERMISSION, ERR_WG_PROTOCOL, ERR_WG_FAILED. */
export interface WireGuardControl {
  /** Names of the devices there are. */
  devices(options: CallOptions): Promise<readonly string[]>;
  /** A fresh reading of one device: one dump for all its peers (F24). */
  device(name: string, options: CallOptions): Promise<Device>;
  /** Sets endpoints in one write; peers that are not there are left out and never created (F17). Resolves with the keys that were set. */
  setPeerEndpoints(
    device: string,
    endpoints: ReadonlyMap<PublicKey, Endpoint>,
    options: CallOptions,
  ): Promise<ReadonlySet<PublicKey>>;
  /** Removes and adds a peer in ONE write from a fresh reading, with all that it had, and this endpoint: its handshake pause is gone (F18b).
   * Errors: ERR_WG_PEER_NOT_FOUND; ERR_WG_FAILED once the peer was restored from the reading. */
  renewPeer(device: string, peer: PublicKey, endpoint: Endpoint, options: CallOptions): Promise<void>;
  /** Sets the persistent keepalive in seconds of one peer that is there. */
  setPeerKeepalive(device: string, peer: PublicKey, seconds: number, options: CallOptions): Promise<void>;
}
