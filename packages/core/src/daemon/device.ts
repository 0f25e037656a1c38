/** One device of a daemon while it is served: lock, kept state, control socket, and its controllers. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, isStunmeshError, StunmeshError } from '../api/index.js';
import type { Config } from '../config/index.js';
import { boundSockets, socketsOfDevice } from '../control/bound-sockets.js';
import { readSnapshot } from '../control/client.js';
import { type ControlServer, openControlServer } from '../control/server.js';
import type { DeviceSurroundings } from '../controllers/device-components.js';
import { createDeviceSession, type DeviceSession } from '../controllers/device-session.js';
import { createDiscovery } from '../controllers/publish/gather.js';
import { createExamination } from '../controllers/refresh/nat-schedule.js';
import type { DeviceEntry, EventSink } from '../peers/peer-table.js';
import type { createStateKeeper } from '../peers/saved-state.js';
import { takeLock } from '../runtime/lock.js';
import { createRollback, type Rollback } from '../runtime/rollback.js';
import { createAgent } from '../stun/agent.js';
import type { MetricsHub } from '../telemetry/metrics-hub.js';
import type { Underlay } from '../underlay/underlay.js';

/** How long another daemon may take to say what it serves, in milliseconds. */
const ANSWER_MS = 3_000;

export interface DeviceParts
  extends Pick<
    DeviceSurroundings,
    'clock' | 'logger' | 'control' | 'writer' | 'stores' | 'resolve' | 'checkBudget' | 'searchHost'
  > {
  emit(device: DeviceEntry, ...news: Parameters<EventSink>): void;
  readonly metrics: MetricsHub;
  readonly state: ReturnType<typeof createStateKeeper>;
  underlay(device: DeviceEntry): Promise<Underlay>;
  /** As JSON, in pieces. */
  snapshot(device: DeviceEntry): Iterable<string>;
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
  const { runDir, stateDir } = parts.config();
  closing.use(await takeLock(join(runDir, `${entry.name}.lock`)));
  if (stateDir !== runDir) await lockState(join(stateDir, `${entry.name}.lock`), closing);
  await parts.state.restore(entry);
  const server = closing.use(
    await openControlServer(join(runDir, `${entry.name}.sock`), {
      clock: parts.clock,
      snapshot: () => parts.snapshot(entry),
    }),
  );
  opened(server);
  const stopping = new AbortController();
  // Every call under way for some peer listens; Node would warn of a leak at the eleventh.
  setMaxListeners(0, stopping.signal);
  void warnOfOthers(parts, entry.name, stopping.signal);
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

/** Two daemons with run_dirs of their own would write over each other's state, and each other's records (F38). */
async function lockState(path: string, closing: Pick<Rollback, 'use'>): Promise<void> {
  try {
    closing.use(await takeLock(path));
  } catch (error) {
    // A folder that cannot be written holds no state either, which has been said.
    if (hasCode(error, 'ERR_RUN_DIR')) return;
    if (!isStunmeshError(error) || error.code !== 'ERR_LOCKED') throw error;
    throw new StunmeshError(
      'ERR_LOCKED',
      `${error.message}; where that one has a device of the same name in another network namespace, give this one a state_dir of its own`,
      { cause: error, details: error.details },
    );
  }
}

/** A daemon with other folders has other locks; its control socket shows where it shares the network namespace (F38). */
async function warnOfOthers(
  { logger, clock, config }: DeviceParts,
  device: string,
  signal: AbortSignal,
): Promise<void> {
  const own = await realpath(config().runDir).catch(() => config().runDir);
  const bound = await boundSockets().catch(() => []);
  for (const path of socketsOfDevice(bound, device).filter((each) => dirname(each) !== own)) {
    using limit = clock.deadline(ANSWER_MS, signal);
    const snapshot = await readSnapshot(path, limit.signal).catch(() => undefined);
    if (!snapshot?.devices.some(({ name }) => name === device) || signal.aborted) continue;
    const error = new StunmeshError(
      'ERR_LOCKED',
      `another stunmesh (process ${snapshot.pid}, ${path}) serves this device as well, and both write over each other; stop one of them`,
      { details: { pid: snapshot.pid } },
    );
    logger.error({ device, error }, 'a second daemon serves the device');
  }
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
    tunnels: () => [...config().interfaces.keys()],
    stateChanged: () => void parts.state.save(device),
    saveState: () => parts.state.save(device),
    checkBudget: parts.checkBudget,
    searchHost: parts.searchHost,
  };
}
