/** What is wrong, and what to do about it; the same of many peers is said once. */
import type { StatusView, Wrong } from '#src/page/status-view.js';
import { el } from './dom.js';

const MOST_NAMED = 8;
/** Of some dozens of causes the first tell enough. */
const MOST_SHOWN = 20;

export function wrongText({ text, code }: Omit<Wrong, 'of'>, remedy: string | undefined): HTMLElement {
  return el(
    'div',
    { class: 'wrong' },
    el('p', {}, text ?? 'something is wrong', code === undefined ? undefined : el('code', {}, code)),
    remedy === undefined ? undefined : el('p', { class: 'remedy' }, el('b', {}, 'What to do: '), remedy),
  );
}

export function drawWrong(section: HTMLElement, { wrong, devices, remedies }: StatusView): void {
  const groups = new Map<string, { readonly wrong: Wrong; readonly of: string[] }>();
  const add = (one: Wrong) => {
    const key = `${one.text} ${one.code}`;
    const group = groups.get(key) ?? { wrong: one, of: [] };
    group.of.push(one.of);
    groups.set(key, group);
  };
  for (const one of wrong) add(one);
  for (const { name, peers } of devices)
    for (const peer of peers) if (peer.wrong) add({ of: `${name}/${peer.name}`, ...peer.wrong });
  const all = [...groups.values()];
  const isNew = fresh(section, JSON.stringify([all, remedies]));
  if (!isNew) return;
  section.hidden = all.length === 0;
  section.replaceChildren(
    el('h2', { id: 'wrong-title' }, 'What is wrong'),
    el(
      'ul',
      { class: 'wrongs' },
      ...all
        .slice(0, MOST_SHOWN)
        .map(({ wrong: one, of }) => el('li', {}, el('h3', {}, named(of)), wrongText(one, remedies[one.code ?? '']))),
      all.length > MOST_SHOWN ? el('li', {}, `and ${all.length - MOST_SHOWN} more, in the tables below`) : undefined,
    ),
  );
}

function named(of: readonly string[]): string {
  const more = of.length > MOST_NAMED ? `, and ${of.length - MOST_NAMED} more` : '';
  return `${of.slice(0, MOST_NAMED).join(', ')}${more}`;
}

const drawn = new WeakMap<HTMLElement, string>();

function fresh(section: HTMLElement, text: string): boolean {
  if (drawn.get(section) === text) return false;
  drawn.set(section, text);
  return true;
}
