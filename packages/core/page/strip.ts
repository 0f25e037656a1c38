/** A peer's last 24 hours in a line: a ribbon of phases, what was lost above it, and the round trip. */
import { svg } from './dom.js';
import { inWords, PARTS, type Part } from './track.js';

const HEIGHT = 22;
const RIBBON = 5;
const TOP = 2;

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
      d: rttLine(parts, { width: PARTS, from: HEIGHT - RIBBON - 1, to: TOP, most: mostRtt(parts) }),
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
      lost > 0 ? `M${i * step} ${base}v${-Math.max(1.5, (lost / 600) * height).toFixed(1)}h${step}V${base}z` : '',
    )
    .join('');
}

export function mostRtt(parts: readonly Part[]): number {
  return parts.reduce((most, { rttMs = 0 }) => Math.max(most, rttMs), 0);
}

/** From zero to the most that there was; a gap where nothing was measured. */
export function rttLine(parts: readonly Part[], at: { width: number; from: number; to: number; most: number }): string {
  const step = at.width / parts.length;
  let pen = 'M';
  return parts
    .map(({ rttMs }, i) => {
      if (rttMs === undefined) {
        pen = 'M';
        return '';
      }
      const y = at.from - (rttMs / at.most) * (at.from - at.to);
      const point = `${pen}${(i * step).toFixed(1)} ${y.toFixed(1)}h${step.toFixed(1)}`;
      pen = 'L';
      return point;
    })
    .join('');
}
