/** What a test of the controllers chooses, plays and sees. */
import type { Family, StoreTraits, StunmeshError } from '#src/api/index.js';
import type { Snapshot } from '#src/control/snapshot.js';
import type { DeviceSurroundings } from '#src/controllers/device-components.js';
import type { DeviceSession } from '#src/controllers/device-session.js';
import type { DeviceEntry, PeerEntry } from '#src/peers/peer-table.js';
import type { FakeCapture, FakeClock, FakeWireGuard, MemoryLogger, MemoryStore } from '#src/testing/index.js';
import type { FarSide, KeyPair } from './far-side.js';
import type { ConfigOptions } from './surroundings.js';

export interface HarnessOptions extends ConfigOptions {
  /** Default 1. */
  readonly peers?: number;
  /** Store instances by name; all peers use all of them unless `pluginsOf` says otherwise. Default: one, "main". */
  readonly stores?: Readonly<Record<string, Partial<StoreTraits>>>;
  keyOf?(index: number): KeyPair;
  /** The routing table of WireGuard's own packets. */
  readonly fib?: number;
  readonly renew?: boolean;
  readonly keepaliveSeconds?: number;
  readonly refreshIntervalMs?: number;
  /** Default 30 s; 0: discovery at refreshes and events alone. */
  readonly mappingCheckMs?: number;
  readonly natCheck?: boolean;
  /** What an examination of the NATs finds. Default: none can be made. */
  examineNat?: DeviceSurroundings['examineNat'];
  /** Whether the stores tell of changes. Default true. */
  readonly watch?: boolean;
  readonly storeTimeoutMs?: number;
  /** Changes the capture before anything uses it. */
  prepare?(capture: FakeCapture): void;
  /** Default: no name has an address. */
  readonly resolve?: DeviceSurroundings['resolve'];
  /** IPv4 address of the STUN server that answers; absent: none that a route could be asked for. */
  readonly serverAddress?: string;
  /** False: the test adds the device itself. Default true. */
  readonly present?: boolean;
  /** What a former life left behind. */
  readonly stored?: ReadonlyMap<string, string>;
  readonly state?: unknown;
  readonly wallStart?: number;
}

/** Something that left this host, in the order in which it did. */
export interface Step {
  readonly at: number;
  readonly what: 'punch' | 'set' | 'kick' | 'renew' | 'keepalive' | 'discover' | 'get' | 'publish' | 'heartbeat';
  readonly to: string;
}

export interface Harness {
  readonly clock: FakeClock;
  readonly wg: FakeWireGuard;
  readonly capture: FakeCapture;
  readonly logger: MemoryLogger;
  readonly device: DeviceEntry;
  readonly session: DeviceSession;
  readonly own: KeyPair;
  readonly far: readonly FarSide[];
  readonly stores: ReadonlyMap<string, MemoryStore>;
  readonly steps: Step[];
  readonly events: {
    readonly event: string;
    readonly peer?: string;
    readonly data: Readonly<Record<string, unknown>>;
  }[];
  /** How often the state was to be kept. */
  readonly saves: number;
  /** What discovery finds, by family; an error: it fails. */
  readonly mappings: Map<Family, string | StunmeshError>;
  /** Set to make get or set of a store take this long, by store and verb ("main get"); Infinity: for ever. */
  readonly delays: Map<string, number>;
  /** While true discoveries do not answer. */
  stuckDiscovery: boolean;
  start(): Promise<void>;
  /** Ends the session as the daemon does; false when it did not end within `ms` of fake time. */
  stop(ms?: number): Promise<boolean>;
  advance(ms: number): Promise<void>;
  entry(index?: number): PeerEntry;
  peer(index?: number): FarSide;
  /** Steps of these kinds since the last `forget`. */
  only(...what: Step['what'][]): readonly Step[];
  forget(): void;
  addDevice(keys?: KeyPair): void;
  /** Brings peer `index` up at `endpoint`: its record is found, it answers. */
  connect(index?: number, endpoint?: string): Promise<void>;
  /** Keeps all connected tunnels alive for `ms`: handshakes every 120 s, keepalives every 25 s. */
  live(ms: number, indices?: readonly number[]): Promise<void>;
  /** An empty store takes the place of this one, as when a reload changed its settings. */
  replaceStore(name: string): Promise<void>;
  snapshot(): Snapshot;
  state(): unknown;
}
