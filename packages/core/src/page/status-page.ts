/** The page for people at the metrics address, and /status.json that it is drawn from; loaded only when it is asked for. */
import page from '#status-page';
import type { Clock } from '../api/index.js';
import type { Snapshot, StoreSnapshot } from '../control/snapshot.js';
import { byUrgency } from '../control/status-remarks.js';
import type { DeviceEntry } from '../peers/peer-table.js';
import { inSlices } from '../runtime/slices.js';
import type { Page, PageRequest } from '../telemetry/http-pages.js';
import type { StatusPage } from '../telemetry/metrics-hub.js';
import { type SharedBody, sharedBody } from '../telemetry/shared-body.js';
import { VERSION } from '../version.js';
import { seesAll } from './audience.js';
import { peerDetail } from './peer-detail.js';
import { type PeerView, peerView, statusView } from './status-view.js';
import { openTimeline } from './timeline.js';
import { BUCKET_MS } from './track.js';

/** Whoever asks more often, or with many, gets the same answer: of many peers it takes a while to make. */
const FRESH_MS = 1_000;
/** Of a large crowd it is kept longer: whoever asks takes at most a twentieth of a processor. */
const LEAST_REST = 20;

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
  readonly at: number;
  readonly snapshots: readonly Snapshot[];
  readonly bodies: Map<string, Promise<SharedBody>>;
  /** Milliseconds that it took to make them. */
  costMs: number;
}

export function openStatusPage(components: StatusPageComponents): StatusPage {
  const { clock, entries, snapshot } = components;
  const timeline = openTimeline({ clock, entries });
  const end = new AbortController();
  const html = sharedBody(page.html);
  let last: Look | undefined;

  const look = (): Look => {
    if (last) return last;
    const at = clock.now();
    const snapshots = entries().map(snapshot);
    last = { at, snapshots, bodies: new Map(), costMs: clock.now() - at };
    void forget(last);
    return last;
  };
  /** Not kept longer than it is of use: of thousands of peers it is large. */
  const forget = async (old: Look): Promise<void> => {
    const left = () => Math.max(FRESH_MS, old.costMs * LEAST_REST) - (clock.now() - old.at);
    try {
      while (left() > 0) await clock.sleep(left(), end.signal);
    } catch {
      // The page is not wanted any more.
    }
    if (last === old) last = undefined;
  };
  const make = async (of: Look, full: boolean, withTimeline: boolean): Promise<SharedBody> => {
    const began = clock.now();
    const peers = new Map<string, PeerView[]>();
    for (const device of of.snapshots.flatMap(({ devices }) => devices)) {
      const views: PeerView[] = [];
      const past = (peer: string) => (withTimeline ? timeline.of(device.name, peer) : undefined);
      await inSlices(byUrgency(device), clock, (peer) =>
        views.push(peerView(peer, device.state, full, past(peer.name))),
      );
      peers.set(device.name, views);
    }
    const wallNow = clock.wallNow();
    const endsAt = Math.round(wallNow + BUCKET_MS - (clock.now() % BUCKET_MS));
    const view = statusView(
      {
        wallNow,
        version: VERSION,
        startedAt: components.startedAt,
        configured: components.configured(),
        snapshots: of.snapshots,
        stores: components.stores(),
        peers,
        ...(withTimeline ? { timeline: { endsAt, partMs: BUCKET_MS } } : {}),
      },
      full,
    );
    const body = sharedBody(JSON.stringify(view));
    of.costMs += clock.now() - began;
    return body;
  };
  const status = async (request: PageRequest): Promise<Page> => {
    const full = seesAll(request);
    const present = look();
    const [device, peer] = [request.query.get('device'), request.query.get('peer')];
    if (device !== null && peer !== null) {
      const detail = peerDetail(present.snapshots, { device, peer }, full);
      return detail ? json(200, JSON.stringify(detail)) : json(404, '{"error":"there is no such device or peer"}');
    }
    const withTimeline = request.query.get('timeline') !== 'no';
    const key = `${full} ${withTimeline}`;
    const body = present.bodies.get(key) ?? make(present, full, withTimeline);
    present.bodies.set(key, body);
    return json(200, await body);
  };

  return {
    pages: {
      '/': () => ({
        status: 200,
        type: 'text/html; charset=utf-8',
        body: html,
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

function json(status: number, body: Page['body']): Page {
  return { status, type: 'application/json; charset=utf-8', body, headers: GUARD, compress: true };
}
