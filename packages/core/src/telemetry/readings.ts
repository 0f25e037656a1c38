/** What metrics and health are read from: the part of a daemon's snapshot that they need. */

/** A failure as an operator sees it. */
interface FaultReading {
  readonly code: string;
  readonly message: string;
}

/** Times are milliseconds since 1970; `t` of records is in seconds. */
export interface PeerReading {
  readonly name: string;
  readonly phase: string;
  readonly phaseForMs: number;
  readonly present: boolean;
  readonly latestHandshakeAt?: number;
  readonly rxBytes: number;
  readonly txBytes: number;
  readonly rttMs?: number;
  readonly record?: { readonly t?: number };
  readonly published?: { readonly at: number };
  readonly endpointWrites: number;
  readonly renewals: number;
  readonly reads: number;
  readonly probes: number;
  readonly path?: { readonly class: string };
  readonly lastError?: FaultReading;
}

export interface DeviceReading {
  readonly name: string;
  readonly state: 'up' | 'down' | 'missing';
  readonly reflexive: { readonly ipv4?: string; readonly ipv6?: string };
  readonly discoveries: number;
  readonly portMapping?: { readonly mappings: readonly { readonly protocol: string }[] };
  readonly checks?: {
    readonly sent: number;
    readonly valid: number;
    readonly received: number;
    readonly answered: number;
    readonly refused: number;
    readonly searched: number;
  };
  /** `of`: device, ipv4, ipv6 or advertise. */
  readonly errors: readonly (FaultReading & { readonly of: string })[];
  readonly peers: readonly PeerReading[];
}

export interface StoreReading {
  readonly name: string;
  readonly gets: number;
  readonly sets: number;
  readonly failures: number;
  /** down: it failed several times in a row, and is asked only once in a while. */
  readonly state: 'up' | 'down';
}

/** The whole daemon at one moment. */
export interface Readings {
  readonly wallNow: number;
  /** Names of the devices that the configuration names, taken up or not. */
  readonly configured: readonly string[];
  readonly devices: readonly DeviceReading[];
  readonly stores: readonly StoreReading[];
}

/** One call to a store that has ended. */
export interface StoreCall {
  /** get, set, delete, watch or describe. */
  readonly operation: string;
  readonly ms: number;
  /** Of its failure. */
  readonly code?: string;
}

/** How a discovery ended. */
export type DiscoveryOutcome = { readonly server: string; readonly rttMs: number } | { readonly code: string };

/** An event of the control socket. */
export interface EventReading {
  readonly event: string;
  readonly device: string;
  readonly peer?: string;
  readonly [member: string]: unknown;
}
