/** The last 24 hours of every peer, kept in memory while the page is on: phases from events, round trips from a look each minute. */
import type { Clock } from '../api/index.js';
import { sameEndpoint } from '../net/index.js';
import type { Phase } from '../peers/health.js';
import type { DeviceEntry, PeerEntry } from '../peers/peer-table.js';
import { inSlices } from '../runtime/slices.js';
import type { EventReading } from '../telemetry/readings.js';
import { Track, type TrackSnapshot } from './track.js';

const LOOK_MS = 60_000;

export interface Timeline extends Disposable {
  event(event: EventReading): void;
  of(device: string, peer: string): TrackSnapshot | undefined;
}

export interface TimelineComponents {
  readonly clock: Clock;
  entries(): readonly DeviceEntry[];
}

export function openTimeline({ clock, entries }: TimelineComponents): Timeline {
  const tracks = new Map<string, Map<string, Track>>();
  const end = new AbortController();

  /** Peers that are gone are forgotten with it. */
  const look = async (): Promise<void> => {
    for (const { name, peers } of entries()) {
      const known = tracks.get(name);
      const seen = new Map<string, Track>();
      await inSlices([...peers], clock, (peer) => seen.set(peer.name, see(known?.get(peer.name), peer, clock.now())));
      tracks.set(name, seen);
    }
    const names = new Set(entries().map(({ name }) => name));
    for (const name of tracks.keys()) if (!names.has(name)) tracks.delete(name);
  };
  const goOn = async (): Promise<void> => {
    try {
      for (;;) {
        await look();
        await clock.sleep(LOOK_MS, end.signal);
      }
    } catch {
      // The page is not wanted any more.
    }
  };
  void goOn();

  return {
    event({ event, device, peer, ...data }) {
      if (event !== 'phase' || peer === undefined) return;
      // A device that has just been taken up waits for no look; a name that nobody has goes with the next one.
      const known = tracks.get(device) ?? new Map<string, Track>();
      const track = known.get(peer) ?? new Track(data['from'] as Phase, clock.now());
      track.enter(data['to'] as Phase, clock.now());
      tracks.set(device, known.set(peer, track));
    },
    of: (device, peer) => tracks.get(device)?.get(peer)?.snapshot(clock.now()),
    [Symbol.dispose]: () => end.abort(),
  };
}

function see(known: Track | undefined, peer: PeerEntry, now: number): Track {
  const track = known ?? new Track(peer.phase, now);
  track.advance(now);
  const rttMs = roundTrip(peer, now);
  if (rttMs !== undefined) track.roundTrip(rttMs, now);
  return track;
}

/** By the last ping, else by the last check of the path in use. */
function roundTrip({ rttMs, phase, observed, checks }: PeerEntry, now: number): number | undefined {
  if (rttMs !== undefined || phase !== 'connected' || !observed?.endpoint) return rttMs;
  const { endpoint } = observed;
  return checks?.paths(now).find((path) => sameEndpoint(path.endpoint, endpoint))?.rttMs;
}
