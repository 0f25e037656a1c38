/** The daemon: devices come and go with the configuration, over one composition, and all ends in reverse order. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Logger } from '../api/index.js';
import type { InterfaceConfig, LoadedConfig } from '../config/index.js';
import {
  type ControlEvent,
  createSnapshot,
  type Snapshot,
  type SnapshotInput,
  snapshotText,
  storeSnapshot,
} from '../control/snapshot.js';
import type { PreloadedModules } from '../host/module-shape.js';
import { HostCheckBudget } from '../paths/check-budget.js';
import { createDeviceEntry, type DeviceEntry, forgetStore } from '../peers/peer-table.js';
import { planReconfiguration } from '../peers/reconfigure.js';
import { createStateKeeper } from '../peers/saved-state.js';
import { removeLeftovers } from '../runtime/leftovers.js';
import { claimFolder } from '../runtime/own-folder.js';
import { createRollback } from '../runtime/rollback.js';
import { openScratch } from '../runtime/scratch.js';
import { readStateFile, writeStateFile } from '../runtime/state-file.js';
import { createMetricsHub } from '../telemetry/metrics-hub.js';
import { checkPrivileges } from '../underlay/underlay.js';
import { VERSION } from '../version.js';
import { createEndpointWriter } from '../wireguard/index.js';
import { type Composition, openComposition } from './components.js';
import { type DeviceParts, type ServedDevice, serveDevice } from './device.js';
import { openSearchHost } from './search-files.js';
import { cachedStorePause, createStores, type Stores } from './stores.js';

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

/** Starts everything in order; what was opened is closed again when a later part fails. Errors: those of its parts, each of which names the remedy (F39). */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, logger, loaded } = options;
  let { config } = loaded;
  const startedAt = clock.wallNow();
  const onCloseError = (error: unknown) => logger.warn({ error }, 'could not close a part');
  await using rollback = createRollback(onCloseError);

  await claimFolder(config.runDir, 'run_dir', 'ERR_RUN_DIR');
  await claimFolder(config.stateDir, 'state_dir', 'ERR_STATE');
  const scratch = await openScratch(config.runDir);
  rollback.defer(async () => scratch[Symbol.dispose]());

  const running = new Map<string, ServedDevice>();
  const listeners = new Set<(event: ControlEvent) => void>();
  const publishers = new Map<DeviceEntry, (event: ControlEvent) => void>();
  const entries = () => [...running.values()].map(({ entry }) => entry);

  const stores: Stores = rollback.use(createStores({ host: (wanted) => composition.host(wanted), onCloseError }));
  const storeCounters = () => [...stores.open.values()].map(storeSnapshot);
  const readings = () => ({
    wallNow: clock.wallNow(),
    configured: [...config.interfaces.keys()],
    devices: entries().flatMap((entry) => snapshot(entry).devices),
    stores: storeCounters(),
  });
  // Loaded only when it is asked for.
  const openPage = async () => {
    const { openStatusPage } = await import('../page/status-page.js');
    const configured = () => [...config.interfaces.keys()];
    return openStatusPage({ clock, entries, configured, snapshot, stores: storeCounters, startedAt });
  };
  const metrics = rollback.use(createMetricsHub({ clock, logger, startedAtMs: startedAt, readings, openPage }));

  const snapshotInput = (device: DeviceEntry): SnapshotInput => ({
    version: VERSION,
    startedAt,
    wallNow: clock.wallNow(),
    now: clock.now(),
    device,
    stores: storeCounters(),
  });
  const snapshot = (device: DeviceEntry): Snapshot => createSnapshot(snapshotInput(device));
  const emit: DeviceParts['emit'] = (device, event, peer, data) => {
    const message: ControlEvent = {
      type: 'event',
      event,
      at: clock.wallNow(),
      device: device.name,
      ...(peer ? { peer: peer.name } : {}),
      ...data,
    };
    publishers.get(device)?.(message);
    metrics.event(message);
    for (const listener of listeners) listener(message);
  };

  const composition: Composition = rollback.use(
    await openComposition({
      ...options,
      devices: () => entries().flatMap(({ facts }) => facts ?? []),
      scratchFolder: scratch.folder,
      onStoreCall: metrics.storeCall,
      mostPauseMs: cachedStorePause(() => ({
        devices: entries(),
        refreshIntervalMs: config.refreshIntervalMs,
        now: clock.now(),
      })),
    }),
  );
  await checkPrivileges({ capture: await composition.capture(), clock });
  const { control, resolve, underlay } = composition;
  const parts: DeviceParts = {
    clock,
    logger,
    control,
    writer: rollback.use(createEndpointWriter({ control, clock })),
    stores: stores.open,
    emit,
    metrics,
    resolve,
    state: createStateKeeper({ read: readOwnState, write: writeStateFile }, config.stateDir, {
      logger,
      wallNow: clock.wallNow,
    }),
    underlay,
    snapshot: (device) => snapshotText(snapshotInput(device)),
    config: () => config,
    checkBudget: new HostCheckBudget(),
    searchHost: rollback.use(openSearchHost({ clock, logger, runDir: config.runDir, stateDir: config.stateDir })),
    onCloseError,
  };
  const startDevice = async (entryConfig: InterfaceConfig): Promise<void> => {
    const entry = createDeviceEntry(entryConfig, clock.now());
    const device = await serveDevice(parts, entry, (server) => publishers.set(entry, (event) => server.publish(event)));
    running.set(entry.name, device);
  };
  const counts = () => ({
    devices: entries().map(({ name }) => name),
    peers: entries().reduce((sum, { peers }) => sum + peers.length, 0),
  });

  (await stores.prepare(loaded)).commit();
  rollback.defer(async () => {
    await Promise.all([...running.values()].map((device) => device[Symbol.asyncDispose]()));
  });
  // Before the devices, so that their first calls count too.
  await metrics.follow(config.metrics);
  for (const entryConfig of config.interfaces.values()) await startDevice(entryConfig);
  logger.info({ version: VERSION, ...counts() }, 'started');

  const opened = rollback.keep();
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
    async reload(next) {
      const before = config;
      const plans = new Map<ServedDevice, () => boolean>();
      for (const [name, device] of running) {
        const entryConfig = next.config.interfaces.get(name);
        if (entryConfig) plans.set(device, await planReconfiguration(device.entry, entryConfig, clock));
      }
      const prepared = await stores.prepare(next, before);
      for (const key of ['capture', 'runDir', 'stateDir', 'log'] as const) {
        if (!isDeepStrictEqual(before[key], next.config[key]))
          logger.warn({}, `a changed ${key} takes effect at the next start`);
      }
      config = { ...next.config, capture: before.capture, runDir: before.runDir, stateDir: before.stateDir };
      const closeObsolete = prepared.commit();
      for (const [name, device] of running) {
        const plan = plans.get(device);
        if (plan) {
          reconfigure(device, plan, prepared.names);
          continue;
        }
        running.delete(name);
        publishers.delete(device.entry);
        await device[Symbol.asyncDispose]();
      }
      for (const entryConfig of config.interfaces.values()) {
        if (running.has(entryConfig.name)) continue;
        await startDevice(entryConfig).catch((error) =>
          logger.error({ device: entryConfig.name, error }, 'cannot take up the device'),
        );
      }
      await closeObsolete();
      await metrics.follow(config.metrics);
      logger.info(counts(), 'configuration reloaded');
    },
    [Symbol.asyncDispose]() {
      stopped ??= (async () => {
        await opened[Symbol.asyncDispose]();
        logger.info({}, 'stopped');
      })();
      return stopped;
    },
  };
}

/** What changed of a device is taken up; `renewed`: stores that were opened anew. */
function reconfigure({ entry, session }: ServedDevice, plan: () => boolean, renewed: ReadonlySet<string>): void {
  const affected = entry.peers.filter((peer) => peer.config.plugins.some((plugin) => renewed.has(plugin)));
  for (const peer of affected) for (const plugin of renewed) forgetStore(peer, plugin);
  if (plan() || affected.length > 0) session.reconfigured();
  else session.retimed();
}

/** The device is locked for us, so that nobody else writes beside the file. */
async function readOwnState(path: string): Promise<unknown> {
  await removeLeftovers(path);
  return readStateFile(path);
}
