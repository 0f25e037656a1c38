/** WireGuard devices as `init` sees them, running ones or those of wg-quick files; nothing secret is kept of either. */

export interface FoundPeer {
  /** What a comment in the file calls it. */
  readonly name?: string;
  readonly publicKey: string;
  /** Prefixes, "10.0.0.2/32". */
  readonly allowedIps: readonly string[];
  /** 0: off. */
  readonly keepaliveSeconds: number;
  /** The file sets an endpoint, which then comes back whenever the device comes up. */
  readonly hasEndpoint?: boolean;
}

export interface FoundDevice {
  readonly name: string;
  /** Absent: the file leaves the private key to a command. */
  readonly publicKey?: string;
  /** 0: none is set. */
  readonly listenPort: number;
  /** This host's own inside the tunnel, without prefix lengths; absent: not known. */
  readonly addresses?: readonly string[];
  readonly peers: readonly FoundPeer[];
}
