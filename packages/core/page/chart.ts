/** The same 24 hours large, with times and milliseconds, and what is under the pointer in words. */
import { formatMs } from '#src/runtime/terminal-text.js';
import { el, setText, svg } from './dom.js';
import { lostBars, mostRtt, ribbons, rttLine } from './strip.js';
import { inWords, PARTS, type Part } from './track.js';

const HEIGHT = 130;
const LEFT = 46;
const RIBBON_Y = 100;
const RIBBON = 8;
const TOP = 8;
const HOUR_MS = 3_600_000;

export interface Span {
  readonly endsAt: number;
  readonly partMs: number;
}

export function chart(parts: readonly Part[], span: Span, width: number): HTMLElement {
  const inner = Math.max(width - LEFT - 4, PARTS);
  const step = inner / PARTS;
  const most = niceMost(mostRtt(parts));
  const y = (ms: number) => RIBBON_Y - 6 - (ms / most) * (RIBBON_Y - 6 - TOP);
  const begin = span.endsAt - PARTS * span.partMs;
  const x = (at: number) => ((at - begin) / span.partMs) * step;
  const cursor = svg('path', { class: 'cursor', d: '' });
  const words = inWords(parts);
  const caption = el('figcaption', {}, words);
  const picture = svg(
    'svg',
    { class: 'chart', width: inner + LEFT + 4, height: HEIGHT, role: 'img', 'aria-label': words },
    ...[0, 0.5, 1].flatMap((part) => [
      svg('path', { class: 'grid', d: `M${LEFT} ${y(most * part)}h${inner}` }),
      svg(
        'text',
        { x: LEFT - 6, y: y(most * part) + 4, 'text-anchor': 'end' },
        part === 0 ? '0' : formatMs(most * part),
      ),
    ]),
    ...hours(begin, span.endsAt, inner < 420 ? 6 : 3).flatMap((at) => [
      svg('path', { class: 'grid', d: `M${LEFT + x(at)} ${TOP}V${RIBBON_Y + RIBBON}` }),
      svg('text', { x: LEFT + x(at), y: HEIGHT - 6, 'text-anchor': 'middle' }, clockTime(at)),
    ]),
    svg(
      'g',
      { transform: `translate(${LEFT} 0)` },
      ...ribbons(parts, RIBBON_Y, RIBBON, step),
      svg('path', { class: 'lost', d: lostBars(parts, RIBBON_Y, RIBBON_Y - TOP, step) }),
      svg('path', { class: 'rtt', d: rttLine(parts, { width: inner, from: y(0), to: y(most), most }) }),
      cursor,
    ),
  );
  picture.addEventListener('pointermove', (event) => {
    const i = Math.floor((event.clientX - picture.getBoundingClientRect().left - LEFT) / step);
    const part = parts[i];
    if (part) cursor.setAttribute('d', `M${(i + 0.5) * step} ${TOP}V${RIBBON_Y + RIBBON}`);
    setText(caption, part ? partInWords(part, begin + i * span.partMs) : words);
  });
  picture.addEventListener('pointerleave', () => {
    cursor.setAttribute('d', '');
    setText(caption, words);
  });
  return el('figure', {}, picture, caption);
}

function partInWords({ phase, lost, rttMs }: Part, at: number): string {
  const rtt = rttMs === undefined ? '' : `, round trip up to ${formatMs(rttMs)}`;
  const without = lost > 0 ? `, ${lost} s without a tunnel` : '';
  return `${clockTime(at)}: ${phase ?? 'not known'}${without}${rtt}`;
}

export function clockTime(at: number): string {
  return new Date(at).toTimeString().slice(0, 5);
}

/** Full hours of this place, every so many, away from the edges. */
function hours(from: number, to: number, every: number): number[] {
  const first = new Date(from);
  first.setMinutes(60, 0, 0);
  const all = Array.from({ length: 26 }, (_, i) => first.getTime() + i * HOUR_MS);
  return all.filter((at) => at < to - HOUR_MS / 2 && at > from + HOUR_MS / 2 && new Date(at).getHours() % every === 0);
}

/** 1, 2 or 5 of a power of ten. */
function niceMost(ms: number): number {
  if (ms <= 0) return 10;
  const power = 10 ** Math.floor(Math.log10(ms));
  return ([1, 2, 5].find((times) => times * power >= ms) ?? 10) * power;
}
