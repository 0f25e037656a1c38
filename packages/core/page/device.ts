/** A device: what is known of it, and the table of its peers. */
import type { DeviceView, PeerView } from '#src/page/status-view.js';
import { el, setText } from './dom.js';
import { COLUMNS, createRow, type Row, type RowContext } from './row.js';

/** So many rows are drawn at first; the rest on request. */
const FIRST_ROWS = 1_000;

export type Choice = (device: string, peer: PeerView) => boolean;

export interface DevicePart {
  readonly section: HTMLElement;
  update(device: DeviceView, choice: Choice): void;
}

export function createDevice(name: string, context: RowContext): DevicePart {
  const state = el('span', { class: 'badge' });
  const about = el('ul', { class: 'about' });
  const body = el('tbody');
  const none = el('p', { class: 'none', hidden: true });
  const more = el('button', { type: 'button', class: 'more', hidden: true });
  const title = el('h2', {}, name, ' ', state);
  const head = el('thead', {}, el('tr', {}, ...COLUMNS.map((column) => el('th', { scope: 'col' }, column))));
  const table = el('table', { class: 'peers' }, el('caption', {}, `Peers of ${name}`), head, body);
  const section = el('section', { class: 'device' }, title, about, table, none, more);
  const rows = new Map<string, Row>();
  let limit = FIRST_ROWS;
  let last: [DeviceView, Choice] | undefined;

  const part: DevicePart = {
    section,
    update(device, choice) {
      last = [device, choice];
      setText(state, device.state);
      state.className = `badge ${device.state}`;
      const lines = [
        ...(device.publicKey === undefined ? [] : [`public key ${device.publicKey}`]),
        ...(device.about ?? []),
      ];
      if (about.childElementCount !== lines.length || lines.some((line, i) => about.children[i]?.textContent !== line))
        about.replaceChildren(...lines.map((line) => el('li', {}, line)));
      const chosen = device.peers.filter((peer) => choice(name, peer));
      const shown = new Set(chosen.slice(0, limit).map((peer) => peer.name));
      for (const [peer, row] of rows)
        if (!shown.has(peer)) {
          for (const each of row.parts) each.remove();
          rows.delete(peer);
        }
      let at: Element | null = body.firstElementChild;
      const fragment = document.createDocumentFragment();
      for (const peer of chosen.slice(0, limit)) {
        const row = rows.get(peer.name);
        if (!row) {
          const made = createRow(name, peer, context);
          rows.set(peer.name, made);
          if (at) at.before(...made.parts);
          else fragment.append(...made.parts);
          continue;
        }
        row.update(peer);
        if (row.parts[0] === at) at = row.parts.at(-1)?.nextElementSibling ?? null;
        else if (at) at.before(...row.parts);
        else fragment.append(...row.parts);
      }
      body.append(fragment);
      table.hidden = chosen.length === 0;
      none.hidden = chosen.length > 0;
      setText(none, device.peers.length === 0 ? 'No peers are configured.' : 'No peer of this device is chosen.');
      more.hidden = chosen.length <= limit;
      setText(more, `Show all ${chosen.length} peers`);
    },
  };
  more.addEventListener('click', () => {
    limit = Number.POSITIVE_INFINITY;
    if (last) part.update(...last);
  });
  return part;
}
