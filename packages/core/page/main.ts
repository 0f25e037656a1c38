/** The page: asks the daemon again and again while somebody looks, and draws what it says. */
import type { PeerDetail } from '#src/page/peer-detail.js';
import type { StatusView } from '#src/page/status-view.js';
import { formatAge } from '#src/runtime/terminal-text.js';
import { clockTime, type Span } from './chart.js';
import { createDevice, type DevicePart } from './device.js';
import { byId, setText } from './dom.js';
import { createOverview } from './overview.js';
import { drawStores } from './stores.js';
import { drawWrong } from './wrong.js';

const ASK_MS = 5_000;
/** Timelines change slowly, and are most of what is sent. */
const TIMELINE_MS = 60_000;
/** An answer of thousands of peers takes a while: asking may take so much of the time. */
const MOST_SHARE = 20;

let span: Span | undefined;
let view: StatusView | undefined;
let ahead = 0;
let timelineAt = Number.NEGATIVE_INFINITY;
let heardAt = 0;

const devices = new Map<string, DevicePart>();
const overview = createOverview(byId('overview'), () => draw());
const context = {
  remedy: (code: string | undefined) => view?.remedies[code ?? ''],
  span: () => span,
  // By the daemon's clock: ages are right where that of the reader is wrong.
  now: () => Date.now() + ahead,
  async ask(device: string, peer: string): Promise<PeerDetail> {
    return get(`status.json?device=${encodeURIComponent(device)}&peer=${encodeURIComponent(peer)}`);
  },
};

async function get<T>(url: string): Promise<T> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
  if (!response.ok) throw new Error(`the daemon answered ${response.status}`);
  return response.json();
}

function draw(): void {
  if (!view) return;
  overview.update(view);
  drawWrong(byId('wrong'), view);
  for (const device of view.devices) {
    let part = devices.get(device.name);
    if (!part) {
      part = createDevice(device.name, context);
      devices.set(device.name, part);
      byId('devices').append(part.section);
    }
    part.update(device, overview.choice);
  }
  for (const [name, part] of devices)
    if (!view.devices.some((device) => device.name === name)) {
      part.section.remove();
      devices.delete(name);
    }
  drawStores(byId('stores'), view.stores);
  const { stunmesh, startedAt, at, full } = view;
  setText(byId('about'), `${stunmesh}, up for ${formatAge(at - startedAt)}`);
  setText(
    byId('audience'),
    full
      ? 'Keys and addresses are shown, since you ask from this host itself.'
      : 'Keys and addresses are not shown: only who asks from the host itself, with no proxy in between, sees them.',
  );
  const unwell = view.wrong.length + view.devices.flatMap(({ peers }) => peers.filter(({ well }) => !well)).length;
  document.title = unwell === 0 ? 'stunmesh' : `(${unwell}) stunmesh`;
}

async function ask(): Promise<void> {
  const began = performance.now();
  const withTimeline = began - timelineAt >= TIMELINE_MS;
  try {
    const next = await get<StatusView>(withTimeline ? 'status.json' : 'status.json?timeline=no');
    ahead = next.at - Date.now();
    if (next.timeline) {
      span = next.timeline;
      timelineAt = began;
    }
    view = next;
    heardAt = Date.now();
    draw();
    live(true);
    requestAnimationFrame(() => performance.mark('complete'));
  } catch {
    live(false);
  }
  const took = performance.now() - began;
  setTimeout(() => void turn(), Math.max(ASK_MS, took * MOST_SHARE));
}

/** The text of a live region is spoken: it changes only when the state does. */
function live(answers: boolean): void {
  const element = byId('live');
  element.className = answers ? 'on' : 'off';
  const since = heardAt === 0 ? '' : ` since ${clockTime(heardAt)}; what was last seen is shown`;
  setText(element, answers ? 'live' : `the daemon does not answer${since}`);
}

function turn(): void | Promise<void> {
  if (!document.hidden) return ask();
  document.addEventListener('visibilitychange', () => void turn(), { once: true });
}

void turn();
