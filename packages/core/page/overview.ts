/** The first look: how many peers are in which phase, and which of them are to be shown. */
import type { PeerView, StatusView } from '#src/page/status-view.js';
import type { Choice } from './device.js';
import { el, setText } from './dom.js';

const PHASES: readonly PeerView['phase'][] = ['connected', 'idle', 'waiting', 'connecting', 'suspect', 'not on device'];

export interface Overview {
  update(view: StatusView): void;
  readonly choice: Choice;
}

/** `onChoose`: another choice was made. */
export function createOverview(section: HTMLElement, onChoose: () => void): Overview {
  let chosen = 'all';
  const summary = el('p', { class: 'summary' });
  const bar = el('div', { class: 'bar', 'aria-hidden': 'true' });
  const group = el('div', { class: 'chips', role: 'group', 'aria-label': 'Peers to show' });
  const search = el('input', {
    type: 'search',
    placeholder: 'find a peer',
    'aria-label': 'Find a peer by its name or address',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const buttons = new Map(
    ['all', 'not well', ...PHASES].map((name) => {
      const many = el('b');
      const button = el(
        'button',
        { type: 'button', class: `chip ${name.replaceAll(' ', '-')}`, 'aria-pressed': String(name === chosen) },
        `${name} `,
        many,
      );
      button.addEventListener('click', () => {
        chosen = name;
        for (const [other, { button: one }] of buttons) one.setAttribute('aria-pressed', String(other === name));
        onChoose();
      });
      group.append(button);
      return [name, { button, many }] as const;
    }),
  );
  const segments = new Map(
    PHASES.map((phase) => {
      const segment = el('i', { class: phase.replaceAll(' ', '-') });
      bar.append(segment);
      return [phase, segment] as const;
    }),
  );
  search.addEventListener('input', onChoose);
  section.append(summary, bar, el('div', { class: 'choose' }, group, search));
  const has = (name: string, peer: PeerView) =>
    name === 'all' || (name === 'not well' ? !peer.well : peer.phase === name);

  return {
    update({ summary: text, devices }) {
      setText(summary, text);
      const peers = devices.flatMap((device) => device.peers);
      for (const [name, { button, many }] of buttons) {
        const count = peers.filter((peer) => has(name, peer)).length;
        setText(many, String(count));
        button.hidden = count === 0 && name !== 'all' && name !== chosen;
      }
      for (const [phase, segment] of segments) {
        const count = peers.filter((peer) => peer.phase === phase).length;
        segment.style.flexGrow = String(count);
        segment.hidden = count === 0;
      }
    },
    choice(_device, peer) {
      const words = search.value.trim().toLowerCase();
      const isFound =
        words === '' || peer.name.toLowerCase().includes(words) || peer.endpoint?.includes(words) === true;
      return isFound && has(chosen, peer);
    },
  };
}
