/** What controllers are handed: interfaces only, so that every one runs against doubles under a fake clock. */
import type { Clock, Endpoint, Family, Logger, PublicKey, Store, StoreTraits, WireGuardControl } from '../api/index.js';
import type { NatBehaviour } from '../nat/behaviour-types.js';
import type { DeviceEntry, PeerEntry } from '../peers/peer-table.js';
import type { Agent } from '../stun/agent.js';
import type { WitnessVerdict } from '../stun/witnesses.js';
import type { Underlay } from '../underlay/underlay.js';

/** A store instance as the host opened it. */
export interface NamedStore extends Store {
  readonly name: string;
  readonly traits: StoreTraits;
  /** down: it is asked once in a while only; `retryAt` in milliseconds since 1970. */
  readonly health?: { readonly state: 'up' | 'down'; readonly retryAt?: number };
  /** The network changed: a store that is down is asked at the next call. */
  wake?(): void;
}

export interface EndpointWriter {
  /** Resolves once WireGuard was written to; writes that come close together share one call (F24). */
  set(device: string, peer: PublicKey, endpoint: Endpoint, signal: AbortSignal): Promise<void>;
}

/** One reflexive address. */
export interface Reflexive {
  readonly endpoint: Endpoint;
  readonly mapped: Endpoint;
  readonly server: string;
  readonly rttMs: number;
  readonly natted: boolean;
  /** What other servers say, some seconds later; absent or undefined: nobody else is heard. Never rejects. */
  readonly witnesses?: Promise<WitnessVerdict | undefined>;
}

/** Asks the STUN servers from the device's port. Errors: ERR_STUN_*, ERR_CAPTURE_*. */
export type Discover = (device: DeviceEntry, family: Family, signal: AbortSignal) => Promise<Reflexive>;

/** News for `status` and the log; `data` holds plain JSON without secrets. */
export type EventSink = (
  event: string,
  device: DeviceEntry,
  peer: PeerEntry | undefined,
  data: Readonly<Record<string, unknown>>,
) => void;

export interface Settings {
  readonly refreshIntervalMs: number;
  /** How often the mapping of a device is looked at by one STUN exchange; 0: only at refreshes and after events. */
  readonly mappingCheckMs: number;
  readonly pingMonitor: {
    /** How many of the first retries for a dead peer come 2 s apart. */
    readonly fixedRetries: number;
  };
  /** Whether the NATs' behaviour is found out, and told in records. */
  readonly natCheck: boolean;
  /** Whether peers may be renewed (F18b). */
  readonly renew: boolean;
}

export interface Controllers {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly control: WireGuardControl;
  readonly writer: EndpointWriter;
  /** The device's way out, the only one to the network. */
  readonly underlay: Underlay;
  /** STUN from WireGuard's port, by the underlay. */
  readonly agent: Agent;
  readonly stores: ReadonlyMap<string, NamedStore>;
  readonly discover: Discover;
  /** How the NATs before the device behave; absent: it is never found out. Errors: as discover. */
  examineNat?(device: DeviceEntry, family: Family, signal: AbortSignal): Promise<NatBehaviour>;
  readonly emit: EventSink;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
  /** Addresses of a name. Errors: ERR_RESOLVE. */
  resolve(host: string, family: Family, signal: AbortSignal): Promise<readonly string[]>;
  /** The address of the STUN server that answered last, for looking at the way there. */
  serverAddress(device: DeviceEntry, family: Family): string | undefined;
  /** As configured now; a reload replaces them. */
  settings(): Settings;
}
