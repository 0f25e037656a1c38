/** One device of a daemon while it is served: lock, kept state, control socket, and its controllers. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { join } from 'node:path';
import { StunmeshError } from '../api/index.js';
import type { Config } from '../config/index.js';
import { type ControlServer, openControlServer } from '../control/server.js';
import type { Snapshot } from '../control/snapshot.js';
import type { DeviceSurroundings } from '../controllers/device-components.js';
import { createDeviceSession, type DeviceSession } from '../controllers/device-session.js';
import { createDiscovery } from '../controllers/publish/gather.js';
import { createExamination } from '../controllers/refresh/nat-schedule.js';
import type { DeviceEntry, EventSink } from '../peers/peer-table.js';
import type { createStateKeeper } from '../peers/saved-state.js';
import { takeLock } from '../runtime/lock.js';
import { createRollback } from '../runtime/rollback.js';
import { createAgent } from '../stun/agent.js';
import type { MetricsHub } from '../telemetry/metrics-hub.js';
import type { Underlay } from '../underlay/underlay.js';

export interface DeviceParts
  extends Pick<DeviceSurroundings, 'clock' | 'logger' | 'control' | 'writer' | 'stores' | 'resolve'> {
  emit(device: DeviceEntry, ...news: Parameters<EventSink>): void;
  readonly metrics: MetricsHub;
  readonly state: ReturnType<typeof createStateKeeper>;
  underlay(device: DeviceEntry): Promise<Underlay>;
  snapshot(device: DeviceEntry): Snapshot;
  /** As configured now. */
  config(): Config;
  onCloseError(error: unknown): void;
}

export interface ServedDevice extends AsyncDisposable {
  readonly entry: DeviceEntry;
  readonly session: DeviceSession;
  readonly server: ControlServer;
}

/** Errors: those of the lock and of the control socket; nothing stays open then. `opened` is called before anything runs. */
export async function serveDevice(
  parts: DeviceParts,
  entry: DeviceEntry,
  opened: (server: ControlServer) => void,
): Promise<ServedDevice> {
  await using closing = createRollback(parts.onCloseError);
  const { runDir } = parts.config();
  closing.use(await takeLock(join(runDir, `${entry.name}.lock`)));
  await parts.state.restore(entry);
  const server = closing.use(await openControlServer(join(runDir, `${entry.name}.sock`), () => parts.snapshot(entry)));
  opened(server);
  const stopping = new AbortController();
  // Every call under way for some peer listens; Node would warn of a leak at the eleventh.
  setMaxListeners(0, stopping.signal);
  const surroundings = { ...(await surroundingsOf(parts, entry)), signal: stopping.signal };
  closing.use(surroundings.agent);
  const session = createDeviceSession(surroundings);
  closing.defer(() => parts.state.flush(entry));
  const ended = session.run();
  closing.defer(async () => {
    stopping.abort(new StunmeshError('ERR_CLOSED', 'stunmesh is stopping'));
    await ended;
  });
  return { entry, session, server, ...closing.keep() };
}

async function surroundingsOf(parts: DeviceParts, device: DeviceEntry): Promise<Omit<DeviceSurroundings, 'signal'>> {
  const { metrics, clock, logger, control, writer, stores, resolve, config } = parts;
  const underlay = await parts.underlay(device);
  const agent = createAgent({
    clock,
    random: (bytes) => Uint8Array.from(randomBytes(bytes)),
    openSocket: underlay.openStunSocket,
    binding: underlay.binding,
  });
  const asking = { device, underlay, agent, clock, logger, resolve };
  const servers = () => config().stun.addresses;
  const discovery = createDiscovery({ ...asking, servers });
  return {
    ...asking,
    control,
    writer,
    stores,
    emit: (...news) => parts.emit(device, ...news),
    ...createExamination({ ...asking, servers }),
    serverAddress: discovery.serverAddress,
    discover: (family, signal) => metrics.discovery(device.name, family, discovery.discover(family, signal)),
    settings: config,
    stateChanged: () => parts.state.save(device),
  };
}
