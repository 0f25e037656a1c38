/** The one composition: stores, names, packets and WireGuard as daemon, doctor, init and plugin test get them, so that all of them ask in the same way (F70). */
import { join } from 'node:path';
import type {
  CaptureModule,
  Clock,
  Device,
  Logger,
  PublicKey,
  StoreComponents,
  WireGuardControl,
} from '../api/index.js';
import type { LoadedConfig } from '../config/index.js';
import { secretVariables } from '../config/secrets.js';
import type { PreloadedModules } from '../host/module-shape.js';
import { createPluginHost, type PluginHost, type PluginHostOptions } from '../host/plugin-host.js';
import { whoMayChange } from '../runtime/own-folder.js';
import { stateFolder } from '../runtime/state-folder.js';
import { createDialer, type Dialer } from '../underlay/dialer.js';
import { fullTunnel } from '../underlay/full-tunnel.js';
import { createUnderlays, type Underlay, type UnderlayDevice } from '../underlay/underlay.js';
import { openWireGuardControl } from '../wireguard/index.js';
import { createKeyNames, createStoreSecrets, type KeyedDevice } from './store-secrets.js';

/** How long all devices may take to be read; one that cannot be read stands in nobody's way. */
const READ_MS = 3_000;

export interface CompositionOptions extends Pick<PluginHostOptions, 'onStoreCall' | 'mostPauseMs' | 'scratchFolder'> {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: there is none. */
  readonly loaded?: LoadedConfig;
  /** Default: the modules of the program itself. */
  readonly preloaded?: PreloadedModules;
  /** Devices as they are now: their tunnels may cover everything, and their keys hide records. Default: those of the configuration, or
   * all where there is none, as WireGuard shows them at the start. */
  devices?(): Iterable<Device>;
}

export interface Composition extends AsyncDisposable {
  readonly control: WireGuardControl;
  /** Loaded once. Errors: those of the plugin host's loadCapture. */
  capture(): Promise<CaptureModule>;
  /** Stores of this configuration; their connections, and their children's, get past a full tunnel. */
  host(loaded: LoadedConfig | undefined): PluginHost;
  readonly resolve: Dialer['resolve'];
  /** Errors: those of capture. */
  underlay(device: UnderlayDevice): Promise<Underlay>;
}

/** Errors: none; what is missing is said by the member that needs it. */
export async function openComposition(options: CompositionOptions): Promise<Composition> {
  const { clock, logger, loaded } = options;
  let loading: Promise<CaptureModule> | undefined;
  const capture = (): Promise<CaptureModule> => {
    loading ??= createHost(options, loaded).loadCapture(loaded?.config.capture ?? 'auto');
    return loading;
  };
  const control = openWireGuardControl({ logger, clock, kernel: async () => (await capture()).wireguard });
  const found = options.devices ? [] : await readDevices(control, clock, loaded);
  const devices = options.devices?.bind(options) ?? (() => found);

  // A tool on a host without full tunnel needs no capture for its stores.
  const marking = options.devices || fullTunnel(found) ? await capture().catch(() => undefined) : undefined;
  const dialer = createDialer({ clock, logger, capture: marking ?? { name: 'none' }, devices });
  let configured = loaded;
  const stateDir = loaded?.config.stateDir;
  // A daemon has made sure of its folder.
  const remembers =
    stateDir !== undefined && (options.devices !== undefined || (await whoMayChange(stateDir)) === undefined);
  const keyedDevices = () => [...devices()].map((device) => keyed(device, configured));
  const surroundings: StoreSurroundings = {
    network: networkOf(dialer),
    secretFor: createStoreSecrets(keyedDevices),
    describeKey: createKeyNames(keyedDevices),
    ...(remembers ? { stateFolder: (store) => stateFolder(stateDir, store) } : {}),
  };
  let underlays: ReturnType<typeof createUnderlays> | undefined;

  return {
    control,
    capture,
    host(wanted) {
      configured = wanted ?? configured;
      return createHost(options, wanted, surroundings);
    },
    resolve: dialer.resolve,
    async underlay(device) {
      underlays ??= createUnderlays({ clock, logger, capture: await capture() });
      return underlays(device);
    },
    [Symbol.asyncDispose]: () => control[Symbol.asyncDispose](),
  };
}

type StoreSurroundings = Pick<PluginHostOptions, 'network' | 'secretFor' | 'describeKey' | 'stateFolder'>;

/** A plugin host without any way past a tunnel, secrets and memory: for what makes no call. */
export function createHost(
  options: Omit<CompositionOptions, 'loaded' | 'devices'>,
  loaded: LoadedConfig | undefined,
  surroundings: StoreSurroundings = {},
): PluginHost {
  const { clock, logger, preloaded, onStoreCall, mostPauseMs, scratchFolder } = options;
  return createPluginHost({
    clock,
    logger,
    ...(loaded
      ? {
          configDir: join(loaded.config.file, '..'),
          explain: loaded.explain,
          checkSettings: loaded.checkSettings,
          secretVariables: secretVariables(loaded.config.plugins.values()),
        }
      : {}),
    ...(preloaded ? { preloaded } : {}),
    ...(onStoreCall ? { onStoreCall } : {}),
    ...(mostPauseMs ? { mostPauseMs } : {}),
    ...(scratchFolder ? { scratchFolder } : {}),
    ...surroundings,
  });
}

function networkOf({ connect, openDatagrams, addressesOf, firewallMark }: Dialer): Partial<StoreComponents> {
  return { connect, resolve: addressesOf, firewallMark, ...(openDatagrams ? { openDatagrams } : {}) };
}

/** With the peers that a configuration names before WireGuard knows them. */
function keyed({ name, publicKey, secretKey, peers }: Device, loaded: LoadedConfig | undefined): KeyedDevice {
  const configured = [...(loaded?.config.interfaces.get(name)?.peers.values() ?? [])];
  const names = new Map(configured.map((peer) => [peer.publicKey, peer.name]));
  const all = new Set([...peers.keys(), ...names.keys()]) as ReadonlySet<PublicKey>;
  return { publicKey, secretKey, peers: all, nameOf: (peer) => names.get(peer) };
}

async function readDevices(
  control: WireGuardControl,
  clock: Clock,
  loaded: LoadedConfig | undefined,
): Promise<readonly Device[]> {
  using limit = clock.deadline(READ_MS);
  const names = loaded ? [...loaded.config.interfaces.keys()] : await control.devices(limit).catch(() => []);
  const read = await Promise.allSettled(names.map((name) => control.device(name, limit)));
  return read.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}
