/** The two rhythms of a device: the refresh (publish and read everyone) and the poll tick (one dump, then what is due). */

import { probeReason } from '../../peers/health.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { backoff } from '../../runtime/backoff.js';
import { inSlices } from '../../runtime/slices.js';
import type { DeviceObserver } from '../bootstrap/device-observer.js';
import type { DeviceComponents } from '../device-components.js';
import type { Choosing } from '../establish/choosing.js';
import type { Reading } from '../establish/reading.js';
import type { DiscoverySchedule } from '../publish/discovery-schedule.js';
import type { OwnRecordChecks } from '../publish/own-record-checks.js';
import type { Publish } from '../publish/publish.js';

/** A tick while some peer is unsettled, and while none is; it slows down for peers that stay away for long. */
const BUSY_TICK_MS = 1_000;
const CALM_TICK_MS = 10_000;
/** No tick comes sooner after the last than this, whatever is due. */
const LEAST_TICK_MS = 50;
/** A tick reads all peers, and each of a crowd has something due at another moment: what it costs stays the same share of the time. */
const LEAST_TICK_MS_A_PEER = 0.5;
/** With more peers than this each walk over all of them is a turn of the event loop by itself. */
const CROWD = 1_000;

export interface Refresh {
  /** Runs until the daemon stops. */
  run(): Promise<void>;
  /** A full refresh now. */
  refresh(): Promise<void>;
  /** The next tick comes now. */
  wake(): void;
}

export interface RefreshComponents extends Pick<DeviceComponents, 'device' | 'clock' | 'settings' | 'emit' | 'signal'> {
  readonly observer: DeviceObserver;
  readonly publish: Publish;
  readonly checks: OwnRecordChecks;
  readonly schedule: DiscoverySchedule;
  readonly reading: Reading;
  readonly choosing: Choosing;
  /** The peer has been silent for too long; called at most once a tick. */
  silent(peer: PeerEntry, why: string): void;
  /** Called at every tick. */
  tick(): void;
  /** When it is needed next, monotonic milliseconds. */
  tickDueAt(): number;
}

export function createRefresh(components: RefreshComponents): Refresh {
  const { device, clock, settings, emit, signal, observer, publish, checks, schedule, reading, choosing } = components;
  let refreshedAt = clock.now();
  // The interval as it is configured now: a reload may shorten the one that has begun.
  const nextRefreshAt = (): number => refreshedAt + settings().refreshIntervalMs;
  let alarm = new AbortController();

  const refresh = async (): Promise<void> => {
    refreshedAt = clock.now();
    if (!device.facts || device.down) return;
    emit('refresh', undefined, {});
    const reads: Promise<void>[] = [];
    const begun = inSlices(device.peers, clock, (peer) => {
      reads.push(reading.read(peer));
    });
    await Promise.all([checks.next(), publish.refresh(), begun]);
    await Promise.all(reads);
    emit('refreshed', undefined, {});
  };

  const doDue = (): void => {
    const now = clock.now();
    if (now >= nextRefreshAt()) void refresh();
    if (!device.facts || device.down) return;
    if (!device.discovering && now >= schedule.dueAt) void publish.refresh();
    // A mapping that is being found out is published when our NAT is open towards every peer (F18c).
    else if (!publish.finding && now >= publish.nextFlushAt()) void publish.flush();
    void checks.due();
    for (const peer of device.peers) {
      if (!isUnsettled(peer)) {
        const why = peer.observed && probeReason(peer.life, peer.observed.keepaliveSeconds, now);
        if (why !== undefined) components.silent(peer, why);
        continue;
      }
      // A job that hangs is not asked again at every turn of this loop; one that runs sets its own next time.
      if (now >= peer.nextReadAt) {
        peer.nextReadAt = now + BUSY_TICK_MS;
        void reading.read(peer, 'due');
      }
      if (now >= peer.series.nextAt) {
        peer.series.nextAt = now + BUSY_TICK_MS;
        void choosing.connect(peer);
      }
    }
  };

  const isCrowd = (): boolean => device.peers.length > CROWD;

  const isServed = () => device.facts !== undefined && !device.down;

  /** How long until something is due, milliseconds. */
  const idleFor = (): number => {
    const now = clock.now();
    let unsettled = 0;
    let youngest = Number.NEGATIVE_INFINITY;
    let jobAt = Number.POSITIVE_INFINITY;
    for (const peer of device.peers) {
      if (!isUnsettled(peer)) continue;
      unsettled += 1;
      youngest = Math.max(youngest, peer.unconnectedSince);
      jobAt = Math.min(jobAt, peer.nextReadAt, peer.series.nextAt);
    }
    const served = isServed();
    const tick = unsettled === 0 && served ? CALM_TICK_MS : backoff(now - youngest, BUSY_TICK_MS, CALM_TICK_MS);
    let at = Math.min(now + (served ? tick : missingTick(now)), nextRefreshAt());
    if (served) at = Math.min(at, jobAt, components.tickDueAt());
    if (served && !device.discovering) at = Math.min(at, schedule.dueAt);
    if (served && !publish.finding) at = Math.min(at, publish.nextFlushAt());
    return Math.max(LEAST_TICK_MS, unsettled * LEAST_TICK_MS_A_PEER, at - now);
  };

  let missingSince: number | undefined;
  const missingTick = (now: number): number => {
    missingSince ??= now;
    return backoff(now - missingSince, BUSY_TICK_MS, CALM_TICK_MS);
  };

  return {
    refresh,
    wake: () => alarm.abort(),
    async run() {
      // One listener for all sleeps: signals joined at every tick would stay with the long-lived one.
      signal.addEventListener('abort', () => alarm.abort(), { once: true });
      while (!signal.aborted) {
        alarm = new AbortController();
        if (await observer.look()) missingSince = undefined;
        if (signal.aborted) return;
        if (isCrowd()) await clock.sleep(0);
        components.tick();
        if (isCrowd()) await clock.sleep(0);
        doDue();
        if (isCrowd()) await clock.sleep(0);
        await clock.sleep(idleFor(), alarm.signal).catch(() => undefined);
      }
    },
  };
}
