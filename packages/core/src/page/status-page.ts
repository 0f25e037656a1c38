/** The page for people at the metrics address, and /status.json that it is drawn from; loaded only when it is asked for. */
import page from '#status-page';
import type { Clock } from '../api/index.js';
import type { Snapshot, StoreSnapshot } from '../control/snapshot.js';
import type { DeviceEntry } from '../peers/peer-table.js';
import type { Page, PageRequest } from '../telemetry/http-pages.js';
import type { StatusPage } from '../telemetry/metrics-hub.js';
import { VERSION } from '../version.js';
import { seesAll } from './audience.js';
import { peerDetail } from './peer-detail.js';
import { statusView } from './status-view.js';
import { openTimeline } from './timeline.js';
import { BUCKET_MS } from './track.js';

/** Whoever asks more often, or with many, gets the same answer: of many peers it takes a while to make. */
const FRESH_MS = 1_000;

const GUARD = {
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
};

export interface StatusPageComponents {
  readonly clock: Clock;
  readonly startedAt: number;
  entries(): readonly DeviceEntry[];
  configured(): readonly string[];
  snapshot(device: DeviceEntry): Snapshot;
  stores(): readonly StoreSnapshot[];
}

/** What is made of one look at the daemon. */
interface Look {
  readonly snapshots: readonly Snapshot[];
  readonly bodies: Map<string, string>;
}

export function openStatusPage(components: StatusPageComponents): StatusPage {
  const { clock, entries, snapshot } = components;
  const timeline = openTimeline({ clock, entries });
  const end = new AbortController();
  let last: Look | undefined;

  const look = (): Look => {
    if (last) return last;
    last = { snapshots: entries().map(snapshot), bodies: new Map() };
    // Not kept longer than it is of use: of thousands of peers it is large.
    const forget = () => {
      last = undefined;
    };
    clock.sleep(FRESH_MS, end.signal).then(forget, forget);
    return last;
  };
  const make = (snapshots: readonly Snapshot[], full: boolean, withTimeline: boolean): string => {
    const wallNow = clock.wallNow();
    const endsAt = wallNow + BUCKET_MS - (clock.now() % BUCKET_MS);
    const view = statusView(
      {
        wallNow,
        version: VERSION,
        startedAt: components.startedAt,
        configured: components.configured(),
        snapshots,
        stores: components.stores(),
        ...(withTimeline ? { timeline: { endsAt, partMs: BUCKET_MS, of: timeline.of } } : {}),
      },
      full,
    );
    return JSON.stringify(view);
  };
  const status = (request: PageRequest): Page => {
    const full = seesAll(request);
    const { snapshots, bodies } = look();
    const [device, peer] = [request.query.get('device'), request.query.get('peer')];
    if (device !== null && peer !== null) {
      const detail = peerDetail(snapshots, { device, peer }, full);
      return detail ? json(200, JSON.stringify(detail)) : json(404, '{"error":"there is no such device or peer"}');
    }
    const withTimeline = request.query.get('timeline') !== 'no';
    const key = `${full} ${withTimeline}`;
    const body = bodies.get(key) ?? make(snapshots, full, withTimeline);
    bodies.set(key, body);
    return json(200, body);
  };

  return {
    pages: {
      '/': () => ({
        status: 200,
        type: 'text/html; charset=utf-8',
        body: page.html,
        headers: { ...GUARD, 'Content-Security-Policy': page.csp },
        compress: true,
      }),
      '/status.json': status,
    },
    event: timeline.event,
    [Symbol.dispose]() {
      end.abort();
      timeline[Symbol.dispose]();
    },
  };
}

function json(status: number, body: string): Page {
  return { status, type: 'application/json; charset=utf-8', body, headers: GUARD, compress: true };
}
