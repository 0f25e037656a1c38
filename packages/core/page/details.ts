/** What is shown of a peer below its row: what is wrong and what to do, its ways, its record and ours. */
import type { PeerDetail } from '#src/page/peer-detail.js';
import type { PeerView } from '#src/page/status-view.js';
import { formatAge, formatMs } from '#src/runtime/terminal-text.js';
import { el } from './dom.js';
import { wrongText } from './wrong.js';

export function details(
  peer: PeerView,
  known: PeerDetail | undefined,
  remedy: string | undefined,
  now: number,
): Node[] {
  const wrong = peer.wrong ? [wrongText(peer.wrong, remedy)] : [];
  const facts: [string, string | undefined][] = [
    ['In this phase', `for ${formatAge(peer.phaseForMs)}`],
    ['Public key', known?.publicKey],
    ['Its record', addresses(known?.recordAddresses, peer.recordAt, now)],
    ['Ours for it', addresses(known?.publishedAddresses, known?.publishedAt, now)],
    ['Received, sent', `${bytes(peer.rxBytes)}, ${bytes(peer.txBytes)}`],
    ['Since the start', known && counts(known)],
  ];
  const list = el(
    'dl',
    {},
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [el('dt', {}, name), el('dd', {}, value)])),
  );
  const remarks = known?.remarks ?? [];
  return [
    ...wrong,
    ...(remarks.length === 0 ? [] : [el('ul', { class: 'remarks' }, ...remarks.map((line) => el('li', {}, line)))]),
    list,
    ...(known && known.paths.length > 0 ? [pathTable(known)] : []),
  ];
}

function pathTable({ paths }: PeerDetail): HTMLElement {
  const withAddress = paths.some(({ endpoint }) => endpoint !== undefined);
  const heads = ['Path', ...(withAddress ? ['Address'] : []), 'State', 'Round trip', ...(withAddress ? ['Why'] : [])];
  return el(
    'table',
    { class: 'paths' },
    el('caption', {}, 'Ways to it'),
    el('thead', {}, el('tr', {}, ...heads.map((head) => el('th', { scope: 'col' }, head)))),
    el(
      'tbody',
      {},
      ...paths.map(({ class: kind, endpoint = '–', state, rttMs, why = '' }) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, kind),
          withAddress ? el('td', { class: 'address' }, endpoint) : undefined,
          el('td', { class: state.replaceAll(' ', '-') }, state),
          el('td', { class: 'number' }, rttMs === undefined ? '–' : formatMs(rttMs)),
          withAddress ? el('td', {}, why) : undefined,
        ),
      ),
    ),
  );
}

function addresses(list: readonly string[] | undefined, at: number | undefined, now: number): string | undefined {
  const age = at === undefined ? undefined : `${formatAge(now - at)} old`;
  const parts = [...(list ?? []), ...(age === undefined ? [] : [age])];
  return parts.length === 0 ? undefined : parts.join(', ');
}

function counts({ counts }: PeerDetail): string {
  return Object.entries(counts)
    .filter(([name]) => name !== 'keepalive')
    .map(([name, many]) => `${many} ${name}`)
    .join(', ');
}

function bytes(many: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(many > 0 ? Math.floor(Math.log2(many) / 10) : 0, units.length - 1);
  return `${(many / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
