/** Composition root: from a configuration to running controllers, and back down in reverse order. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type CaptureModule, type Clock, type Family, type Logger, type NetInterface, StunmeshError } from './api/index.js';
import type { Config, LoadedConfig } from './config/index.js';
import { type ControlServer, openControlServer } from './control/server.js';
import { type ControlEvent, createSnapshot, type Snapshot } from './control/snapshot.js';
import type { Controllers, NamedStore } from './controllers/context.js';
import { createEngine } from './controllers/engine.js';
import { createDeviceEntry, type DeviceEntry, type PeerEntry } from './controllers/peer-table.js';
import { createDeviceState, restoreDeviceState } from './controllers/state.js';
import type { GuardedStore } from './host/guarded-store.js';
import type { PreloadedModules } from './host/loader.js';
import { createPluginHost } from './host/plugin-host.js';
import { type Coalesced, createCoalesced } from './runtime/coalesce.js';
import { takeLock } from './runtime/lock.js';
import { createResolver } from './runtime/resolver.js';
import { createRollback } from './runtime/rollback.js';
import { readStateFile, writeStateFile } from './runtime/state-file.js';
import { discover } from './stun/discover.js';
import { VERSION } from './version.js';
import { createEndpointWriter, openWireGuardControl } from './wireguard/index.js';

/** Interfaces are listed at most this often, however many peers ask. */
const INTERFACES_MS = 1_000;

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
}

/** Starts everything in order; what was opened is closed again when a later part fails. Errors: those of its parts, each of which names the remedy (F39). */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { clock, logger } = options;
  const { config, explain } = options.loaded;
  await using rollback = createRollback((error) => logger.warn({ error }, 'could not close a part'));
  const stopping = new AbortController();
  const startedAt = clock.wallNow();
  const devices = [...config.interfaces.values()].map((entry) => createDeviceEntry(entry, clock.now()));
  for (const device of devices) rollback.use(await takeLock(join(config.runDir, `${device.name}.lock`)));

  const host = createPluginHost({
    clock,
    logger,
    configDir: join(config.file, '..'),
    explain,
    ...(options.preloaded ? { preloaded: options.preloaded } : {}),
  });
  const capture = await host.loadCapture(config.capture);
  const stores = new Map<string, GuardedStore>();
  for (const plugin of usedPlugins(config)) {
    const store = await host.openStore(plugin);
    stores.set(plugin.name, store);
    rollback.defer(() => store.close());
  }
  const control = rollback.use(openWireGuardControl({ logger, clock }));
  const writer = rollback.use(createEndpointWriter({ control, clock }));

  const listeners = new Set<(event: ControlEvent) => void>();
  const servers = new Map<DeviceEntry, ControlServer>();
  const emit = (event: string, device: DeviceEntry, peer: PeerEntry | undefined, data: Readonly<Record<string, unknown>>): void => {
    const message: ControlEvent = { type: 'event', event, at: clock.wallNow(), device: device.name, ...(peer ? { peer: peer.name } : {}), ...data };
    servers.get(device)?.publish(message);
    for (const listener of listeners) listener(message);
  };
  const snapshot = (device: DeviceEntry): Snapshot =>
    createSnapshot({
      version: VERSION,
      startedAt,
      wallNow: clock.wallNow(),
      now: clock.now(),
      device,
      stores: [...stores.values()].map(({ name, counters }) => ({ name, gets: counters.gets, sets: counters.sets, failures: counters.failures })),
    });

  const state = createStateKeeper(config.stateDir, logger);
  for (const device of devices) await state.restore(device);
  for (const device of devices) {
    servers.set(device, rollback.use(await openControlServer(join(config.runDir, `${device.name}.sock`), () => snapshot(device))));
  }

  const engine = createEngine(
    createControllers({ config, clock, logger, capture, control, writer, stores, emit, signal: stopping.signal }),
    devices,
    state.save,
  );
  const running = engine.run();
  rollback.defer(async () => {
    stopping.abort(new StunmeshError('ERR_CLOSED', 'stunmesh is stopping'));
    await running;
    await state.flush(devices);
  });
  logger.info({ version: VERSION, devices: devices.map((d) => d.name), peers: devices.reduce((sum, d) => sum + d.peers.length, 0) }, 'started');

  const parts = rollback.keep();
  let stopped: Promise<void> | undefined;
  return {
    devices,
    snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
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

function usedPlugins(config: Config): Config['plugins'] extends ReadonlyMap<string, infer P> ? readonly P[] : never {
  const used = new Set([...config.interfaces.values()].flatMap((i) => [...i.peers.values()].flatMap((p) => p.plugins)));
  return [...config.plugins.values()].filter((plugin) => used.has(plugin.name));
}

type Parts = Pick<Controllers, 'clock' | 'logger' | 'control' | 'writer' | 'emit' | 'signal'> & {
  readonly config: Config;
  readonly capture: CaptureModule;
  readonly stores: ReadonlyMap<string, NamedStore>;
};

function createControllers(parts: Parts): Controllers {
  const { config, capture, clock } = parts;
  const resolve = createResolver();
  let listed: { readonly at: number; readonly result: Promise<readonly NetInterface[]> } | undefined;
  const interfaces = (): Promise<readonly NetInterface[]> => {
    if (!listed || clock.now() - listed.at > INTERFACES_MS) listed = { at: clock.now(), result: capture.listInterfaces() };
    return listed.result;
  };
  /** The server that answered last, by device and family: it stays preferred (F2). */
  const preferred = new Map<string, { readonly server: string; readonly address: Parameters<typeof discover>[0]['preferredAddress'] }>();

  return {
    clock,
    logger: parts.logger,
    control: parts.control,
    writer: parts.writer,
    capture,
    stores: parts.stores,
    emit: parts.emit,
    signal: parts.signal,
    refreshIntervalMs: config.refreshIntervalMs,
    mappingCheckMs: config.mappingCheckMs,
    fixedRetries: config.pingMonitor.fixedRetries,
    renew: config.renew,
    interfaces,
    resolve,
    serverAddress: (device, family) => preferred.get(`${device.name}/${family}`)?.address?.address,
    async discover(device: DeviceEntry, family: Family, signal: AbortSignal) {
      const { facts } = device;
      if (!facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${device.name} is not there`);
      if (facts.listenPort === 0) throw new StunmeshError('ERR_WG_FAILED', `the device ${device.name} listens on no port; set it up, or give it a ListenPort`);
      const key = `${device.name}/${family}`;
      const last = preferred.get(key);
      const found = await discover({
        family,
        listenPort: facts.listenPort,
        servers: config.stun.addresses,
        ...(last ? { preferred: last.server } : {}),
        ...(last?.address ? { preferredAddress: last.address } : {}),
        openSocket: (on) =>
          capture.openStunSocket({
            family,
            localPort: facts.listenPort,
            excludeDevice: facts.realName,
            firewallMark: facts.firewallMark,
            ...(device.config.fib === undefined ? {} : { fib: device.config.fib }),
            ...(device.config.listenInterfaces.length === 0 ? {} : { interfaces: device.config.listenInterfaces }),
            defaultRouteOnly: device.config.listenDefaultRoute,
            signal,
            ...on,
          }),
        resolve,
        ownAddresses: (await interfaces()).flatMap((i) => i.addresses.map((a) => a.address)),
        async refuseServer(address) {
          const route = await capture.routeTo?.({ to: address, firewallMark: facts.firewallMark });
          return route?.interface === facts.realName ? 'its route leaves by the tunnel itself' : undefined;
        },
        clock,
        random: (bytes) => Uint8Array.from(randomBytes(bytes)),
        signal,
      });
      preferred.set(key, { server: found.server, address: found.serverAddress });
      return found;
    },
  };
}

interface StateKeeper {
  restore(device: DeviceEntry): Promise<void>;
  save(device: DeviceEntry): void;
  flush(devices: readonly DeviceEntry[]): Promise<void>;
}

/** A state file that cannot be read or written costs a line in the log and nothing else. */
function createStateKeeper(stateDir: string, logger: Logger): StateKeeper {
  const jobs = new Map<DeviceEntry, Coalesced>();
  let complained = false;
  const path = (device: DeviceEntry) => join(stateDir, `${device.name}.json`);
  const job = (device: DeviceEntry): Coalesced => {
    const known =
      jobs.get(device) ??
      createCoalesced(
        async () => {
          await writeStateFile(path(device), createDeviceState(device));
          complained = false;
        },
        (error) => {
          if (!complained) logger.warn({ device: device.name, error }, 'state not kept');
          complained = true;
        },
      );
    jobs.set(device, known);
    return known;
  };
  return {
    async restore(device) {
      try {
        const value = await readStateFile(path(device));
        if (value !== undefined && !restoreDeviceState(device, value)) logger.warn({ device: device.name, file: path(device) }, 'state file of another kind ignored');
      } catch (error) {
        logger.warn({ device: device.name, error }, 'state not restored');
      }
    },
    save: (device) => void job(device).trigger(),
    async flush(devices) {
      await Promise.all(devices.map((device) => job(device).trigger()));
    },
  };
}
