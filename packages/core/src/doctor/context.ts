/** What doctor's checks look at: each fact is fetched once, when the first check asks for it. */
import {
  type CaptureModule,
  type Clock,
  type Device,
  type Family,
  isStunmeshError,
  type StunmeshError,
  type WireGuardControl,
} from '../api/index.js';
import type { Config, InterfaceConfig, LoadedConfig, PluginConfig } from '../config/index.js';
import type { Snapshot } from '../control/snapshot.js';
import type { NatBehaviour } from '../nat/behaviour-types.js';
import type { GuardedStore } from '../store/guarded-store.js';
import type { Resolver } from '../underlay/resolver.js';
import type { Underlay, UnderlayDevice } from '../underlay/underlay.js';
import { type DaemonSeen, findDaemons } from './daemons.js';
import { examineNat } from './examine-nat.js';
import { type PeerRecords, readPeerRecords } from './peer-records.js';
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
  /** Only this device. */
  readonly device?: string;
  /** false: no store is written to. */
  readonly storeWrite: boolean;
  readonly signal: AbortSignal;
}

export interface Scene extends AsyncDisposable {
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
export function familiesOf(entry: InterfaceConfig): readonly Family[] {
  if (entry.protocol === 'dualstack') return [4, 6];
  return entry.protocol === 'ipv6' ? [6] : [4];
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

/** Nothing is looked at before it is asked for; disposing closes the stores that were opened. */
export function createScene(parts: DoctorParts): Scene {
  const { loaded, signal } = parts;
  const config = isStunmeshError(loaded) ? undefined : loaded.config;
  const known = new Map<string, Promise<unknown>>();
  const opened: GuardedStore[] = [];
  const once = <T>(key: string, fetch: () => Promise<T>): Promise<T> => {
    const promise = known.get(key) ?? fetch();
    if (!known.has(key)) {
      known.set(key, promise);
      // Whoever asks gets the error; that nobody asked yet must not end the process.
      promise.catch(() => undefined);
    }
    return promise as Promise<T>;
  };

  const scene: Scene = {
    parts,
    config,
    interfaces: [...(config?.interfaces.values() ?? [])].filter(
      ({ name }) => parts.device === undefined || name === parts.device,
    ),
    device: (name) => once(`device ${name}`, () => parts.control.device(name, { signal })),
    capture: () => once('capture', () => parts.capture()),
    underlay: (entry) =>
      once(`underlay ${entry.name}`, async () =>
        parts.underlay({ name: entry.name, facts: await scene.device(entry.name), config: entry }),
      ),
    nat: (entry, family) => once(`nat ${entry.name} ${family}`, () => examineNat(scene, entry, family)),
    store: (name) =>
      once(`store ${name}`, async () => {
        const plugin = config?.plugins.get(name);
        if (!plugin) throw new Error(`no plugin "${name}"`);
        const store = await parts.openStore(plugin);
        opened.push(store);
        return store;
      }),
    records: (entry, peer) => once(`records ${entry.name} ${peer}`, () => readPeerRecords(scene, entry, peer)),
    daemons: (name) => once(`daemons ${name}`, () => findDaemons(parts, config?.runDir, name)),
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
  return scene;
}
