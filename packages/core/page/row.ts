/** One peer: its row, brought up to date in place, and what is shown below it when it is opened. */
import type { PeerDetail } from '#src/page/peer-detail.js';
import type { PeerView } from '#src/page/status-view.js';
import { formatAge, formatMs } from '#src/runtime/terminal-text.js';
import { chart, type Span } from './chart.js';
import { details } from './details.js';
import { el, setText } from './dom.js';
import { strip } from './strip.js';
import { decode, type Part } from './track.js';

export interface RowContext {
  /** What to do about a code. */
  remedy(code: string | undefined): string | undefined;
  span(): Span | undefined;
  now(): number;
  ask(device: string, peer: string): Promise<PeerDetail>;
}

export interface Row {
  /** Two once it was opened. */
  readonly parts: readonly [HTMLTableRowElement, ...HTMLTableRowElement[]];
  update(peer: PeerView): void;
}

export const COLUMNS = ['Peer', 'Phase', 'Path', 'Round trip', 'Last 24 hours', 'Handshake', 'Record'];

let numbered = 0;

export function createRow(device: string, first: PeerView, context: RowContext): Row {
  const toggle = el('button', { type: 'button', class: 'name', 'aria-expanded': 'false' }, first.name);
  const endpoint = el('span', { class: 'endpoint' });
  const phase = el('span', { class: 'phase' });
  const cell = (title: string, kind: string) => el('td', { class: kind, 'data-title': title });
  const path = cell('path', 'path');
  const rtt = cell('round trip', 'number');
  const history = cell('', 'history');
  const handshake = cell('handshake', 'number');
  const record = cell('record', 'number');
  const main = el(
    'tr',
    { class: 'peer' },
    el('th', { scope: 'row' }, toggle, endpoint),
    el('td', { class: 'state' }, phase),
    path,
    rtt,
    history,
    handshake,
    record,
  );
  const inside = el('td', { colspan: COLUMNS.length });
  let below: HTMLTableRowElement | undefined;
  let peer = first;
  let track = '';
  let past: readonly Part[] | undefined;
  let known: PeerDetail | undefined;

  const isOpen = () => toggle.getAttribute('aria-expanded') === 'true';
  const drawBelow = () => {
    const span = context.span();
    const width = Math.min(inside.clientWidth - 24, 900);
    const picture = past && span ? [chart(past, span, width)] : [];
    const { code } = peer.wrong ?? {};
    inside.replaceChildren(...details(peer, known, context.remedy(code), context.now()), ...picture);
  };
  const ask = async () => {
    try {
      known = await context.ask(device, peer.name);
      if (isOpen()) drawBelow();
    } catch {
      // What is shown already stays.
    }
  };
  toggle.addEventListener('click', () => {
    const open = !isOpen();
    toggle.setAttribute('aria-expanded', String(open));
    if (!below) {
      const id = `peer-${numbered++}`;
      below = el('tr', { class: 'below', id }, inside);
      toggle.setAttribute('aria-controls', id);
      main.after(below);
    }
    below.hidden = !open;
    if (!open) return;
    drawBelow();
    void ask();
  });

  const row: Row = {
    get parts(): Row['parts'] {
      return below ? [main, below] : [main];
    },
    update(next) {
      peer = next;
      const age = (at: number | undefined) => (at === undefined ? '–' : formatAge(context.now() - at));
      setText(endpoint, peer.endpoint ?? '');
      setText(phase, peer.phase);
      phase.className = `phase ${peer.phase.replaceAll(' ', '-')}`;
      main.classList.toggle('unwell', !peer.well);
      setText(path, peer.path ?? '–');
      setText(rtt, peer.rttMs === undefined ? '–' : formatMs(peer.rttMs));
      setText(handshake, age(peer.handshakeAt));
      setText(record, age(peer.recordAt));
      const { timeline } = peer;
      const text = timeline === undefined ? track : `${timeline.phases} ${timeline.rtt} ${timeline.lost}`;
      if (timeline !== undefined && text !== track) {
        track = text;
        past = decode(timeline);
        history.replaceChildren(strip(past));
      }
      if (isOpen()) void ask();
    },
  };
  row.update(first);
  return row;
}
