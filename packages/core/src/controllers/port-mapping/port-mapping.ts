/** The door to port mapping: where it is off nothing of it is loaded, and a publication waits for a router only a moment. */
import { isUnsettled } from '../../peers/peer-table.js';
import { createCoalesced } from '../../runtime/coalesce.js';
import type { MappingKeeper, MappingKeeperComponents } from './mapping-keeper.js';

/** A router that speaks PCP or NAT-PMP answers in 1 to 50 ms, one of UPnP in 0.2 to 1 s. */
const PATIENCE_MS = 1_500;
/** The router is not looked after more often, whatever is due. */
const LEAST_GAP_MS = 1_000;

export interface PortMapping {
  /** A discovery ended: resolves when a router was asked, or has taken too long; at once where nothing has to be asked. Never rejects. */
  discovered(): Promise<void>;
  /** Called at every beat. */
  tick(): void;
  /** When a beat is needed next, monotonic milliseconds; infinite: none is. */
  readonly dueAt: number;
  networkChanged(): void;
  reconfigured(): void;
  /** Ends what runs and releases what was mapped. */
  stop(): Promise<void>;
}

export function createPortMapping(components: MappingKeeperComponents): PortMapping {
  const { device, clock, logger, signal } = components;
  const entry = device.portMapping;
  let loading: Promise<MappingKeeper> | undefined;
  let keeper: MappingKeeper | undefined;
  const load = async (): Promise<MappingKeeper> => {
    loading ??= import('./mapping-keeper.js').then(({ createMappingKeeper }) => createMappingKeeper(components));
    keeper = await loading;
    return keeper;
  };
  let workedAt = 0;
  const job = createCoalesced(
    async () => {
      await (await load()).work();
      workedAt = clock.now();
    },
    (error) => {
      if (!signal.aborted) logger.error({ device: device.name, error }, 'port mapping failed');
    },
  );
  /** Switched off, and nothing of an earlier process is left to be released. */
  const isIdle = () =>
    device.config.portMapping.length === 0 && entry.known.size === 0 && entry.granted.size === 0 && !entry.fault;

  return {
    async discovered() {
      if (isIdle() || (keeper && keeper.dueAt > clock.now())) return;
      // A renewal is nobody's haste; what is told wrongly otherwise is.
      const urgent = !keeper || keeper.dueAt === 0;
      const work = job.trigger();
      if (!urgent) return;
      const over = new AbortController();
      await Promise.race([work, clock.sleep(PATIENCE_MS, over.signal).catch(() => undefined)]);
      over.abort();
    },
    tick() {
      if (isIdle() || !keeper) return;
      const unsettled = device.peers.filter((peer) => isUnsettled(peer));
      const since = Math.min(...unsettled.map((peer) => peer.unconnectedSince));
      keeper.unreached(unsettled.length === 0 ? 0 : Math.max(0, clock.now() - since));
      if (clock.now() >= keeper.dueAt && !job.running) void job.trigger();
    },
    get dueAt() {
      return keeper && !isIdle() && !job.running
        ? Math.max(keeper.dueAt, workedAt + LEAST_GAP_MS)
        : Number.POSITIVE_INFINITY;
    },
    networkChanged: () => keeper?.networkChanged(),
    reconfigured: () => keeper?.reconfigured(),
    async stop() {
      await job.stop();
      await keeper?.release();
    },
  };
}
