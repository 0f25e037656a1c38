/** The transport address of a WireGuard peer, as every part of stunmesh passes it around. */

export type Family = 4 | 6;

/** An IP address and UDP port. `address` is in canonical text (RFC 5952 for IPv6), `zone` only on link-local IPv6. */
export interface Endpoint {
  readonly family: Family;
  readonly address: string;
  readonly port: number;
  readonly zone?: string;
}
