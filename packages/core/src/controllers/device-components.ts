/** What the controllers of one device are made of: interfaces only, so that every one runs against doubles under a fake clock. Each
 * controller names what it uses of it. */
import type { Clock, Family, Logger, WireGuardControl } from '../api/index.js';
import type { NatBehaviour } from '../nat/behaviour-types.js';
import type { HostCheckBudget } from '../paths/check-budget.js';
import type { Faults } from '../peers/faults.js';
import type { DeviceEntry, EventSink } from '../peers/peer-table.js';
import type { Phases } from '../peers/phase.js';
import type { GuardedStore } from '../store/guarded-store.js';
import type { Agent } from '../stun/agent.js';
import type { Discovery } from '../stun/discover.js';
import type { WitnessVerdict } from '../stun/witnesses.js';
import type { Underlay } from '../underlay/underlay.js';
import type { EndpointWriter } from '../wireguard/writes.js';
import type { SearchHost } from './search/search-host.js';

/** A store instance as controllers use it. */
export type NamedStore = Pick<GuardedStore, 'name' | 'traits' | 'get' | 'set'> &
  Partial<Pick<GuardedStore, 'watch' | 'health' | 'wake' | 'readsMany'>>;

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

/** One reflexive address. */
export interface DiscoveredAddress extends Pick<Discovery, 'endpoint' | 'mapped' | 'server' | 'rttMs' | 'natted'> {
  /** What other servers say, some seconds later; absent or undefined: nobody else is heard. Never rejects. */
  readonly witnesses?: Promise<WitnessVerdict | undefined>;
}

/** Handed in from outside. */
export interface DeviceSurroundings {
  readonly device: DeviceEntry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly control: WireGuardControl;
  readonly writer: Pick<EndpointWriter, 'set'>;
  /** The device's way out, the only one to the network. */
  readonly underlay: Underlay;
  /** STUN from WireGuard's port, by the underlay. */
  readonly agent: Agent;
  readonly stores: ReadonlyMap<string, NamedStore>;
  /** Asks the STUN servers from the device's port. Errors: ERR_STUN_*, ERR_CAPTURE_*. */
  discover(family: Family, signal: AbortSignal): Promise<DiscoveredAddress>;
  /** The address of the STUN server that answered last, for looking at the way there. */
  serverAddress(family: Family): string | undefined;
  /** How the NATs before the device behave; absent: it is never found out. Errors: as discover. */
  examineNat?(family: Family, signal: AbortSignal): Promise<NatBehaviour>;
  readonly emit: EventSink;
  /** Aborts when the daemon stops. */
  readonly signal: AbortSignal;
  /** Addresses of a name. Errors: ERR_RESOLVE. */
  resolve(host: string, family: Family, signal: AbortSignal): Promise<readonly string[]>;
  /** As configured now; a reload replaces them. */
  settings(): Settings;
  /** Names of this host's WireGuard devices, whose addresses are no way in. Default: this one's. */
  tunnels?(): readonly string[];
  /** State that outlives the process changed. */
  stateChanged(): void;
  /** The same; resolves when it is on disk, or was given up. */
  saveState(): Promise<void>;
  /** Of the whole host, shared by its devices (F44). */
  readonly checkBudget: HostCheckBudget;
  /** Of the whole host too: one search at a time (F60). */
  readonly searchHost: SearchHost;
}

/** And what is built once for the device. */
export interface DeviceComponents extends DeviceSurroundings {
  readonly phases: Phases;
  readonly faults: Faults;
}
