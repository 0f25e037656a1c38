/** What doctor is handed, and what its checks look at. */
import type { CaptureModule, Clock, Device, Family, StunmeshError, WireGuardControl } from '../api/index.js';
import type { Config, InterfaceConfig, LoadedConfig, PluginConfig } from '../config/index.js';
import type { DeviceSnapshot, Snapshot } from '../control/snapshot.js';
import type { NatBehaviour } from '../nat/behaviour-types.js';
import { DEVICE_FAMILIES } from '../paths/families.js';
import type { ParsedRecord } from '../record/endpoint-record.js';
import type { GuardedStore } from '../store/guarded-store.js';
import type { Resolver } from '../underlay/resolver.js';
import type { Underlay, UnderlayDevice } from '../underlay/underlay.js';
import type { Scope } from './scope.js';
import type { System } from './system.js';

/** How long a daemon may take to answer, in milliseconds. */
export const ANSWER_MS = 3_000;

/** What doctor is handed; the rest of the program above it puts this together. */
export interface DoctorParts {
  readonly clock: Clock;
  /** The configuration, or why there is none. */
  readonly loaded: LoadedConfig | StunmeshError;
  readonly control: WireGuardControl;
  readonly system: System;
  readonly resolve: Resolver;
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array;
  /** Errors: those of the plugin host's loadCapture. */
  capture(): Promise<CaptureModule>;
  underlay(device: UnderlayDevice): Promise<Underlay>;
  openStore(plugin: PluginConfig): Promise<GuardedStore>;
  readSnapshot(path: string, signal: AbortSignal): Promise<Snapshot>;
  /** What of the configuration is examined. */
  readonly scope: Scope;
  /** false: no store is written to. */
  readonly storeWrite: boolean;
  readonly signal: AbortSignal;
}

export interface DaemonSeen {
  /** Its control socket. */
  readonly path: string;
  readonly snapshot?: Snapshot;
  readonly device?: DeviceSnapshot;
  /** It is there and gave no answer that makes sense. */
  readonly error?: unknown;
  /** Its socket is bound in this network namespace and lies in a file system that we do not see: a container's. */
  readonly hidden?: true;
}

/** One store's answer: a record, nothing, or why neither. */
export interface RecordSeen {
  readonly store: string;
  readonly record?: ParsedRecord;
  /** ERR_RECORD_…: something is there and is of no use. Other codes: the store did not answer. */
  readonly error?: StunmeshError;
}

export interface PeerRecords {
  /** The peer's, a member for each of its stores. */
  readonly theirs: readonly RecordSeen[];
  /** Ours for it. */
  readonly ours: readonly RecordSeen[];
}

export interface DoctorContext extends AsyncDisposable {
  readonly parts: DoctorParts;
  /** undefined: there is no valid configuration. */
  readonly config: Config | undefined;
  /** Those that are examined. */
  readonly interfaces: readonly InterfaceConfig[];
  /** Errors: those of WireGuardControl.device. */
  device(name: string): Promise<Device>;
  /** Errors: those of the plugin host's loadCapture. */
  capture(): Promise<CaptureModule>;
  /** A device's way out. Errors: those of device and capture. */
  underlay(entry: InterfaceConfig): Promise<Underlay>;
  /** What the STUN servers tell of a device's port and the NATs before it. Errors: those of device, capture and openStunSocket, ERR_WG_FAILED. */
  nat(entry: InterfaceConfig, family: Family): Promise<NatBehaviour>;
  /** Errors: those of the plugin host's openStore. */
  store(name: string): Promise<GuardedStore>;
  /** What the stores hold of a peer and, for it, of us. Errors: those of device. */
  records(entry: InterfaceConfig, peer: string): Promise<PeerRecords>;
  /** Every daemon that serves a device, in whatever run_dir. */
  daemons(name: string): Promise<readonly DaemonSeen[]>;
}

/** Families that an interface publishes. */
export function familiesOf({ protocol }: InterfaceConfig): readonly Family[] {
  return DEVICE_FAMILIES[protocol];
}

/** A value, or the error in its place. */
export async function attempt<T>(
  work: Promise<T>,
): Promise<
  { readonly value: T; readonly error?: undefined } | { readonly value?: undefined; readonly error: unknown }
> {
  try {
    return { value: await work };
  } catch (error) {
    return { error: error ?? new Error('no reason given') };
  }
}
