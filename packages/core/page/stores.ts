/** The stores: whether they answer, and how much they were asked. */
import type { StoreView } from '#src/page/status-view.js';
import { el } from './dom.js';

const COLUMNS = ['Store', 'State', 'Reads', 'Writes', 'Failures', ''];

export function drawStores(section: HTMLElement, stores: readonly StoreView[]): void {
  section.hidden = stores.length === 0;
  const number = (many: number) => el('td', { class: 'number' }, many.toLocaleString('en'));
  section.replaceChildren(
    el('h2', { id: 'stores-title' }, 'Stores'),
    el(
      'table',
      { class: 'stores' },
      el(
        'thead',
        {},
        el('tr', {}, ...COLUMNS.map((column) => (column === '' ? el('td') : el('th', { scope: 'col' }, column)))),
      ),
      el(
        'tbody',
        {},
        ...stores.map(({ name, state, gets, sets, failures, note = '' }) =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, name),
            el('td', {}, el('span', { class: `badge ${state}` }, state)),
            number(gets),
            number(sets),
            number(failures),
            el('td', {}, note),
          ),
        ),
      ),
    ),
  );
}
