/** The two rhythms of a device: the refresh (publish and read everyone) and the beat (one dump, then what is due). */

import { probeReason } from '../../peers/health.js';
import { type DeviceEntry, isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { patience } from '../../runtime/backoff.js';
import type { Bootstrap } from '../bootstrap/device-observer.js';
import type { Controllers } from '../device-components.js';
import type { Establish } from '../establish/establish.js';
import type { Publish } from '../publish/publish.js';

/** A beat while some peer is unsettled, and while none is; it slows down for peers that stay away for long. */
const BUSY_BEAT_MS = 1_000;
const CALM_BEAT_MS = 10_000;
/** No beat comes sooner after the last than this, whatever is due. */
const LEAST_BEAT_MS = 50;

export interface Refresh {
  /** Runs until the daemon stops. */
  run(): Promise<void>;
  /** A full refresh now. */
  refresh(): Promise<void>;
  /** The next beat comes now. */
  wake(): void;
}

export interface RefreshParts {
  readonly bootstrap: Bootstrap;
  readonly publish: Publish;
  readonly establish: Establish;
  /** The peer has been silent for too long; called at most once a beat. */
  silent(device: DeviceEntry, peer: PeerEntry, why: string): void;
  /** Called at every beat. */
  beat(): void;
}

export function createRefresh(c: Controllers, device: DeviceEntry, parts: RefreshParts): Refresh {
  const { bootstrap, publish, establish } = parts;
  let refreshedAt = c.clock.now();
  // The interval as it is configured now: a reload may shorten the one that has begun.
  const nextRefreshAt = (): number => refreshedAt + c.settings().refreshIntervalMs;
  let alarm = new AbortController();

  const refresh = async (): Promise<void> => {
    refreshedAt = c.clock.now();
    if (!device.facts) return;
    c.emit('refresh', device, undefined, {});
    await Promise.all([publish.refresh(device), ...device.peers.map((peer) => establish.read(device, peer))]);
    c.emit('refreshed', device, undefined, {});
  };

  const doDue = (): void => {
    const now = c.clock.now();
    if (now >= nextRefreshAt()) void refresh();
    if (!device.facts) return;
    if (!device.discovering && now >= device.nextDiscoveryAt) void publish.refresh(device);
    else if (now >= publish.nextFlushAt(device)) void publish.flush(device);
    for (const peer of device.peers) {
      if (!isUnsettled(peer)) {
        const why = peer.wg && probeReason(peer.life, peer.wg.keepaliveSeconds, now);
        if (why !== undefined) parts.silent(device, peer, why);
        continue;
      }
      // A job that hangs is not asked again at every turn of this loop; one that runs sets its own next time.
      if (now >= peer.nextReadAt) {
        peer.nextReadAt = now + BUSY_BEAT_MS;
        void establish.read(device, peer, 'due');
      }
      if (now >= peer.nextKickAt) {
        peer.nextKickAt = now + BUSY_BEAT_MS;
        void establish.connect(device, peer);
      }
    }
  };

  /** How long until something is due, milliseconds. */
  const idleFor = (): number => {
    const now = c.clock.now();
    const unsettled = device.peers.filter(isUnsettled);
    const youngest = Math.max(...unsettled.map((peer) => peer.unconnectedSince));
    const beat =
      unsettled.length === 0 && device.facts ? CALM_BEAT_MS : patience(now - youngest, BUSY_BEAT_MS, CALM_BEAT_MS);
    const due = [now + (device.facts ? beat : missingBeat(now)), nextRefreshAt()];
    if (device.facts)
      due.push(
        device.discovering ? Number.POSITIVE_INFINITY : device.nextDiscoveryAt,
        publish.nextFlushAt(device),
        ...unsettled.flatMap((p) => [p.nextReadAt, p.nextKickAt]),
      );
    return Math.max(LEAST_BEAT_MS, Math.min(...due) - now);
  };

  let missingSince: number | undefined;
  const missingBeat = (now: number): number => {
    missingSince ??= now;
    return patience(now - missingSince, BUSY_BEAT_MS, CALM_BEAT_MS);
  };

  return {
    refresh,
    wake: () => alarm.abort(),
    async run() {
      // One listener for all sleeps: signals joined at every beat would stay with the long-lived one.
      c.signal.addEventListener('abort', () => alarm.abort(), { once: true });
      while (!c.signal.aborted) {
        alarm = new AbortController();
        if (await bootstrap.read(device)) missingSince = undefined;
        if (c.signal.aborted) return;
        parts.beat();
        doDue();
        await c.clock.sleep(idleFor(), alarm.signal).catch(() => undefined);
      }
    },
  };
}
