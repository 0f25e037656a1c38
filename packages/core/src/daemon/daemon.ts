/** Composition root: from a configuration to running controllers, and back down in reverse order. */
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, type Logger, StunmeshError } from '../api/index.js';
import type { Config, InterfaceConfig, LoadedConfig } from '../config/index.js';
import { type ControlServer, openControlServer } from '../control/server.js';
import { type ControlEvent, createSnapshot, type Snapshot, storeSnapshot } from '../control/snapshot.js';
import type { EventSink } from '../controllers/device-components.js';
import { createEngine, type Engine } from '../controllers/device-session.js';
import type { PreloadedModules } from '../host/loader.js';
import { createPluginHost, type PluginHostOptions } from '../host/plugin-host.js';
import { createDeviceEntry, type DeviceEntry, forgetStore, reconfigureDevice } from '../peers/peer-table.js';
import { createStateKeeper } from '../peers/saved-state.js';
import { takeLock } from '../runtime/lock.js';
import { claimFolder } from '../runtime/own-folder.js';
import { createRollback } from '../runtime/rollback.js';
import { openScratch } from '../runtime/scratch.js';
import { readStateFile, writeStateFile } from '../runtime/state-file.js';
import type { GuardedStore } from '../store/guarded-store.js';
import { createMetricsHub, type MetricsHub } from '../telemetry/metrics-hub.js';
import { createWayOut } from '../underlay/dialer.js';
import { checkPrivileges } from '../underlay/underlay.js';
import { VERSION } from '../version.js';
import { createEndpointWriter, openWireGuardControl } from '../wireguard/index.js';
import { createShared } from './shared.js';
import { storePauseMs } from './store-pause.js';

const PAUSE_LOOK_MS = 1_000;

export interface DaemonOptions {
  readonly loaded: LoadedConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly preloaded?: PreloadedModules;
}

export interface Daemon extends AsyncDisposable {
  readonly devices: readonly DeviceEntry[];
  snapshot(device: DeviceEntry): Snapshot;
  /** Calls back on every event until the result is called. */
  subscribe(listener: (event: ControlEvent) => void): () => void;
  /** Takes another configuration over, peer by peer; tunnels that did not change are not touched. Rejects, and has changed nothing, when a part of it cannot be opened. */
  reload(loaded: LoadedConfig): Promise<void>;
}

interface RunningDevice extends AsyncDisposable {
  readonly entry: DeviceEntry;
  readonly engine: Engine;
}

/** Starts everything in order; what was opened is closed again when a later part fails. Errors: those of its parts, each of which names the remedy (F39). */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, logger } = options;
  let { config } = options.loaded;
  const startedAt = clock.wallNow();
  const onCloseError = (error: unknown) => logger.warn({ error }, 'could not close a part');
  await using rollback = createRollback(onCloseError);

  await claimFolder(config.runDir, 'run_dir', 'ERR_RUN_DIR');
  await claimFolder(config.stateDir, 'state_dir', 'ERR_STATE');
  const scratch = await openScratch(config.runDir);
  rollback.defer(async () => scratch[Symbol.dispose]());

  const running = new Map<string, RunningDevice>();
  const stores = new Map<string, GuardedStore>();
  const listeners = new Set<(event: ControlEvent) => void>();
  const servers = new Map<DeviceEntry, ControlServer>();
  rollback.defer(async () => {
    await Promise.all([...stores.values()].map((store) => store.close()));
  });

  const storeCounters = () => [...stores.values()].map(storeSnapshot);
  const readings = () => ({
    wallNow: clock.wallNow(),
    configured: [...config.interfaces.keys()],
    devices: [...running.values()].flatMap(({ entry }) => snapshot(entry).devices),
    stores: storeCounters(),
  });
  const metrics = rollback.use(createMetricsHub({ clock, logger, startedAtMs: startedAt, readings }));

  const snapshot = (device: DeviceEntry): Snapshot =>
    createSnapshot({
      version: VERSION,
      startedAt,
      wallNow: clock.wallNow(),
      now: clock.now(),
      device,
      stores: storeCounters(),
    });
  const emit: EventSink = (event, device, peer, data) => {
    const message: ControlEvent = {
      type: 'event',
      event,
      at: clock.wallNow(),
      device: device.name,
      ...(peer ? { peer: peer.name } : {}),
      ...data,
    };
    servers.get(device)?.publish(message);
    metrics.event(message);
    for (const listener of listeners) listener(message);
  };

  const pauses = new Map<string, { readonly at: number; readonly ms: number }>();
  /** Asked at each call that is refused, and looked at once a second: every answer walks all peers. */
  const mostPauseMs = (store: string): number => {
    const known = pauses.get(store);
    const now = clock.now();
    if (known && now - known.at < PAUSE_LOOK_MS) return known.ms;
    const devices = [...running.values()].map(({ entry }) => entry);
    const ms = storePauseMs({ devices, store, refreshIntervalMs: config.refreshIntervalMs, now });
    pauses.set(store, { at: now, ms });
    return ms;
  };

  const openStores = async (
    loaded: LoadedConfig,
    wanted: Iterable<string>,
  ): Promise<ReadonlyMap<string, GuardedStore>> => {
    await using opened = createRollback(onCloseError);
    const host = hostOf(options, loaded, metrics, { ...wayOut, mostPauseMs, scratchFolder: scratch.folder });
    const fresh = new Map<string, GuardedStore>();
    for (const name of wanted) {
      const plugin = loaded.config.plugins.get(name);
      if (!plugin) continue;
      const store = await host.openStore(plugin);
      opened.defer(() => store.close());
      fresh.set(name, store);
    }
    opened.keep();
    return fresh;
  };

  const startDevice = async (entryConfig: InterfaceConfig): Promise<RunningDevice> => {
    await using opened = createRollback(onCloseError);
    const entry = createDeviceEntry(entryConfig, clock.now());
    opened.use(await takeLock(join(config.runDir, `${entry.name}.lock`)));
    await state.restore(entry);
    const server = opened.use(
      await openControlServer(join(config.runDir, `${entry.name}.sock`), () => snapshot(entry)),
    );
    servers.set(entry, server);
    const stopping = new AbortController();
    // Every call under way for some peer listens; Node would warn of a leak at the eleventh.
    setMaxListeners(0, stopping.signal);
    const engine = createEngine({ ...shared(entry), signal: stopping.signal }, entry, () => state.save(entry));
    opened.defer(() => state.flush(entry));
    const ended = engine.run();
    opened.defer(async () => {
      stopping.abort(new StunmeshError('ERR_CLOSED', 'stunmesh is stopping'));
      await ended;
    });
    const device: RunningDevice = { entry, engine, ...opened.keep() };
    running.set(entry.name, device);
    return device;
  };

  const capture = await hostOf(options, options.loaded, metrics).loadCapture(config.capture);
  await checkPrivileges({ capture, clock });
  const control = rollback.use(openWireGuardControl({ logger, clock }));
  const writer = rollback.use(createEndpointWriter({ control, clock }));
  const state = createStateKeeper({ read: readStateFile, write: writeStateFile }, config.stateDir, logger);
  const devices = () => [...running.values()].flatMap(({ entry }) => entry.facts ?? []);
  const wayOut = createWayOut({ clock, logger, capture, devices });
  const { resolve } = wayOut;
  const shared = createShared(
    { clock, logger, capture, control, writer, stores, emit, metrics, resolve },
    () => config,
  );
  for (const [name, store] of await openStores(options.loaded, usedPlugins(config))) stores.set(name, store);
  rollback.defer(async () => {
    await Promise.all([...running.values()].map((device) => device[Symbol.asyncDispose]()));
  });
  // Before the devices, so that their first calls count too.
  await metrics.follow(config.metrics?.listen);
  for (const entryConfig of config.interfaces.values()) await startDevice(entryConfig);
  const entries = () => [...running.values()].map((device) => device.entry);
  logger.info(
    {
      version: VERSION,
      devices: entries().map((d) => d.name),
      peers: entries().reduce((sum, d) => sum + d.peers.length, 0),
    },
    'started',
  );

  const parts = rollback.keep();
  let stopped: Promise<void> | undefined;
  return {
    get devices() {
      return entries();
    },
    snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async reload(loaded) {
      const before = config;
      const changed = [...usedPlugins(loaded.config)].filter(
        (name) => !stores.has(name) || !isDeepStrictEqual(before.plugins.get(name), loaded.config.plugins.get(name)),
      );
      const fresh = await openStores(loaded, changed);
      for (const key of ['capture', 'runDir', 'stateDir', 'log'] as const) {
        if (!isDeepStrictEqual(before[key], loaded.config[key]))
          logger.warn({}, `a changed ${key} takes effect at the next start`);
      }
      config = { ...loaded.config, capture: before.capture, runDir: before.runDir, stateDir: before.stateDir };
      const obsolete = [...stores].filter(([name]) => fresh.has(name) || !usedPlugins(config).has(name));
      for (const [name] of obsolete) stores.delete(name);
      for (const [name, store] of fresh) stores.set(name, store);

      for (const [name, device] of running) {
        const entryConfig = config.interfaces.get(name);
        if (!entryConfig) {
          running.delete(name);
          servers.delete(device.entry);
          await device[Symbol.asyncDispose]();
          continue;
        }
        const affected = device.entry.peers.filter((peer) => peer.config.plugins.some((plugin) => fresh.has(plugin)));
        for (const peer of affected) for (const plugin of fresh.keys()) forgetStore(peer, plugin);
        if (reconfigureDevice(device.entry, entryConfig, clock.now()) || affected.length > 0)
          device.engine.reconfigured();
        else device.engine.retimed();
      }
      for (const entryConfig of config.interfaces.values()) {
        if (running.has(entryConfig.name)) continue;
        await startDevice(entryConfig).catch((error) =>
          logger.error({ device: entryConfig.name, error }, 'cannot take up the device'),
        );
      }
      for (const [, store] of obsolete) await store.close();
      await metrics.follow(config.metrics?.listen);
      logger.info(
        { devices: entries().map((d) => d.name), peers: entries().reduce((sum, d) => sum + d.peers.length, 0) },
        'configuration reloaded',
      );
    },
    [Symbol.asyncDispose]() {
      stopped ??= (async () => {
        await parts[Symbol.asyncDispose]();
        logger.info({}, 'stopped');
      })();
      return stopped;
    },
  };
}

function hostOf(
  options: DaemonOptions,
  loaded: LoadedConfig,
  metrics: MetricsHub,
  parts: Partial<PluginHostOptions> = {},
): ReturnType<typeof createPluginHost> {
  return createPluginHost({
    clock: options.clock,
    logger: options.logger,
    configDir: join(loaded.config.file, '..'),
    explain: loaded.explain,
    checkSettings: loaded.checkSettings,
    ...(options.preloaded ? { preloaded: options.preloaded } : {}),
    onStoreCall: metrics.storeCall,
    ...parts,
  });
}

/** Names of the plugins that some peer uses; what nobody uses is not loaded. */
function usedPlugins(config: Config): ReadonlySet<string> {
  return new Set([...config.interfaces.values()].flatMap((i) => [...i.peers.values()].flatMap((p) => p.plugins)));
}
