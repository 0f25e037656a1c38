/** A peer's last 24 hours in a line: a ribbon of phases, what was lost above it, and the round trip. */
import { svg } from './dom.js';
import { inWords, PARTS, type Part } from './track.js';

/** In tenths of a pixel, so that whole numbers do. */
const HEIGHT = 220;
const RIBBON = 50;
const TOP = 20;
/** Of a second is seen as well. */
const LEAST_BAR = 0.1;

export function strip(parts: readonly Part[]): SVGElement {
  return svg(
    'svg',
    {
      class: 'strip',
      viewBox: `0 0 ${PARTS} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': inWords(parts),
    },
    ...ribbons(parts, HEIGHT - RIBBON, RIBBON),
    svg('path', { class: 'lost', d: lostBars(parts, HEIGHT - RIBBON, HEIGHT - RIBBON - TOP) }),
    svg('path', {
      class: 'rtt',
      d: rttLine(parts, { width: PARTS, from: HEIGHT - RIBBON - 10, to: TOP, most: mostRtt(parts) }),
    }),
  );
}

/** A path for each phase, of a rectangle for each run. */
export function ribbons(parts: readonly Part[], y: number, height: number, step = 1): SVGElement[] {
  const paths = new Map<string, string>();
  for (let from = 0, to = 0; from < parts.length; from = to) {
    const phase = parts[from]?.phase;
    while (to < parts.length && parts[to]?.phase === phase) to += 1;
    const name = phase ?? 'unknown';
    paths.set(
      name,
      `${paths.get(name) ?? ''}M${from * step} ${y}h${(to - from) * step}v${height}h${-(to - from) * step}z`,
    );
  }
  return [...paths].map(([phase, d]) => svg('path', { class: `ribbon ${phase}`, d }));
}

/** Of ten minutes without a tunnel all of `height`. */
export function lostBars(parts: readonly Part[], base: number, height: number, step = 1): string {
  return parts
    .map(({ lost }, i) =>
      lost > 0
        ? `M${i * step} ${base}v${-Math.round(Math.max(LEAST_BAR * height, (lost / 600) * height))}h${step}V${base}z`
        : '',
    )
    .join('');
}

export function mostRtt(parts: readonly Part[]): number {
  return parts.reduce((most, { rttMs = 0 }) => Math.max(most, rttMs), 0);
}

/** From zero to the most that there was; a gap where nothing was measured. What stays the same is one line. */
export function rttLine(parts: readonly Part[], at: { width: number; from: number; to: number; most: number }): string {
  const step = at.width / parts.length;
  let path = '';
  let last: number | undefined;
  parts.forEach(({ rttMs }, i) => {
    const y = rttMs === undefined ? undefined : Math.round(at.from - (rttMs / at.most) * (at.from - at.to));
    if (y === last) return;
    const x = Math.round(i * step * 10) / 10;
    if (last !== undefined) path += `H${x}`;
    if (y !== undefined) path += last === undefined ? `M${x} ${y}` : `V${y}`;
    last = y;
  });
  return last === undefined ? path : `${path}H${at.width}`;
}
