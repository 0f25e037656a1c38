/** Chooses the path whose turn it is, and makes attempts by it, one at a time for each peer (F23). */
import { type Endpoint, type Family, raceAbort } from '../../api/index.js';
import { formPaths, inTurn } from '../../paths/check-list.js';
import { ATTEMPT_GAP_MS, countAttempt, startSeries, turnEndsAt } from '../../peers/attempt-series.js';
import { hasSession } from '../../peers/health.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { type Coalesced, createCoalesced } from '../../runtime/coalesce.js';
import type { Checks } from '../checks/checks.js';
import type { DeviceComponents } from '../device-components.js';
import { type Attempts, WRITE_GAP_MS } from './attempt.js';
import type { Reading } from './reading.js';

/** So long a store has to show a peer's record before the peer is tried where it was last met. */
const FIRST_LOOK_MS = 2_000;

export interface Choosing {
  /** The endpoints at which the peer may be found, the one whose turn it is first. */
  candidates(peer: PeerEntry): readonly Endpoint[];
  /** One attempt to connect. Never rejects. */
  connect(peer: PeerEntry): Promise<void>;
  /** Starts a new series of attempts, quick ones first, as something changed that makes success likely; without `renewals` those that are
   * left of the last series are all there are. */
  restartAttempts(peer: PeerEntry, renewals?: number): void;
  stop(): Promise<void>;
}

export interface ChoosingComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'phases' | 'faults' | 'signal'> {
  readonly attempts: Attempts;
  readonly reading: Pick<Reading, 'screenRestored' | 'freshen'>;
  readonly checks: Pick<Checks, 'choiceFor'>;
}

export function createChoosing(components: ChoosingComponents): Choosing {
  const { device, clock, phases, faults, signal, attempts, reading, checks } = components;
  const jobs = new Map<PeerEntry, Coalesced>();

  const candidates: Choosing['candidates'] = (peer) => {
    const now = clock.now();
    const wallNow = clock.wallNow();
    peer.paths = formPaths(
      {
        records: [...peer.remote.values()].map(({ record }) => record),
        protocol: peer.config.protocol,
        provenTime: peer.provenTime,
        families: new Set<Family>(
          device.candidates.flatMap(({ type, endpoint }) =>
            type === 'reflexive' || type === 'mapped' ? [endpoint.family] : [],
          ),
        ),
        proven: peer.proven,
        wallNow,
        unconnectedForMs: now - peer.unconnectedSince,
      },
      peer.paths,
    );
    const { startedAt, dwellMs } = peer.series;
    return inTurn(peer.paths, { tryingForMs: now - startedAt, dwellMs, wallNow }).map(({ endpoint }) => endpoint);
  };

  /** The state file knows where the peer was last met, and its record whether it knows checks: then nothing may go there yet (F43). A store
   * that does not answer keeps nobody from it for long. */
  const lookedFor = async (peer: PeerEntry): Promise<void> => {
    const { plugins } = peer.config;
    using limit = clock.deadline(FIRST_LOOK_MS, signal);
    const found = new Promise<void>((resolve) => {
      let left = plugins.length;
      for (const name of plugins)
        void reading.freshen(peer, name).then(() => {
          left -= 1;
          if (left === 0 || peer.remote.size > 0) resolve();
        });
    });
    await raceAbort(found, limit.signal).catch(() => undefined);
  };

  const connectOnce = async (peer: PeerEntry): Promise<void> => {
    if ((peer.restored || peer.proven) && peer.remote.size === 0 && peer.reads === 0) await lookedFor(peer);
    const now = clock.now();
    const { series } = peer;
    const gapMs = countAttempt(series, now, now - peer.unconnectedSince);
    if (!isUnsettled(peer)) return;
    await reading.screenRestored(peer);
    const checked = checks.choiceFor(peer);
    if (checked !== 'today') {
      // Until a path is valid nothing of WireGuard's is to reach the peer's router (F43).
      if (checked) {
        // As long as the endpoint is not ours to write nothing comes of it: again right after.
        if (now < peer.handsOffUntil) series.nextAt = Math.min(series.nextAt, peer.handsOffUntil);
        await attempts.use(peer, checked);
      }
      const isReachable = peer.observed?.endpoint !== undefined || peer.remote.size > 0;
      if (isUnsettled(peer) && isReachable) phases.set(peer, 'connecting');
      return;
    }
    const endpoints = candidates(peer);
    if (endpoints.length === 0) return;
    // While attempts come often the next candidate need not wait for one.
    if (endpoints.length > 1 && gapMs === ATTEMPT_GAP_MS)
      series.nextAt = Math.min(
        series.nextAt,
        Math.max(turnEndsAt(series, now), (peer.lastWrite?.at ?? 0) + WRITE_GAP_MS),
      );
    await attempts.attempt(peer, endpoints);
    if (isUnsettled(peer)) phases.set(peer, 'connecting');
  };

  const connect: Choosing['connect'] = (peer) => {
    const job =
      jobs.get(peer) ??
      createCoalesced(
        () => connectOnce(peer),
        (error) => faults.note(peer, error, 'could not connect'),
      );
    jobs.set(peer, job);
    return job.trigger();
  };

  return {
    candidates,
    connect,
    restartAttempts(peer, renewals) {
      const now = clock.now();
      peer.series = startSeries({
        now,
        renewalsLeft: renewals ?? peer.series.renewalsLeft,
        session: hasSession(peer.life, now),
        random: Math.random(),
      });
      void connect(peer);
    },
    async stop() {
      await Promise.all([...jobs.values()].map((job) => job.stop()));
    },
  };
}
