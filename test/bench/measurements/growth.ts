/** What something costs by the number of peers, a line for each kind; pure. */
import { judge, type Row, show } from '../report.js';
import type { Shown } from './distribution.js';
import { createScale } from './scale.js';
import { card, diamond, tag, text } from './svg.js';

const WIDTH = 860;
const LEFT = 76;
const TOP = 44;
const HEIGHT = 244;
const LINES = 4;

interface Point {
  readonly peers: number;
  readonly value: number;
  readonly target?: number | undefined;
  readonly before?: number | undefined;
}

export interface Growth {
  readonly unit: Row['unit'];
  readonly series: ReadonlyMap<string, readonly Point[]>;
}

/** Rows that differ by their number of peers alone, by what they measure; a line needs two points. */
export function findGrowth(rows: readonly Shown[]): ReadonlyMap<string, Growth> {
  const found = new Map<string, Map<string, Point[]>>();
  const units = new Map<string, Row['unit']>();
  for (const row of rows) {
    const { what, unit, before } = row;
    const [, kind, digits, measure] = /^(.*?),? ?\b([\d,]+) peers?\b:? ?(.*)$/.exec(what) ?? [];
    const { middle: value, goal } = judge(row);
    if (digits === undefined || !Number.isFinite(value)) continue;
    // "file store, 50 peers: read, CPU of it per peer": the last part says what is measured.
    const [name = '', ...rest] = (measure ?? '').split(', ').toReversed();
    const title = `${name} (${unit})`;
    const line = [kind, ...rest.toReversed()].filter((part) => part !== '').join(', ');
    units.set(title, unit);
    const lines = found.get(title) ?? new Map<string, Point[]>();
    const target = goal?.median ?? goal?.worst;
    const point = {
      peers: Number(digits.replaceAll(',', '')),
      value,
      ...(target === undefined ? {} : { target }),
      ...(before === undefined ? {} : { before }),
    };
    lines.set(line, [...(lines.get(line) ?? []), point]);
    found.set(title, lines);
  }
  return new Map(
    [...found].flatMap(([title, lines]) => {
      const series = new Map([...lines].filter(([, points]) => new Set(points.map(({ peers }) => peers)).size > 1));
      return series.size === 0 ? [] : [[title, { unit: units.get(title) ?? 'ms', series }] as const];
    }),
  );
}

export function drawGrowth(title: string, { unit, series }: Growth): string {
  const points = [...series.values()].flat();
  const counts = [...new Set(points.map(({ peers }) => peers))].sort((a, b) => a - b);
  const [least = 1, most = 1] = [counts[0], counts.at(-1)];
  const right = WIDTH - 290;
  const x = (peers: number) => LEFT + 10 + (Math.log(peers / least) / Math.log(most / least)) * (right - LEFT - 10);
  const scale = createScale(
    points.flatMap(({ value, target = 0, before = 0 }) => [value, target, before]),
    HEIGHT,
    TOP,
  );
  const axes = [
    ...scale.ticks.flatMap((tick) => [
      tag('path', { class: 'axis', d: `M${LEFT} ${scale.at(tick).toFixed(1)}H${right}` }),
      text(LEFT - 8, scale.at(tick) + 4, show(tick, unit), 'dim', 'end'),
    ]),
    ...counts.map((count) => text(x(count), HEIGHT + 20, String(count), 'dim', 'middle')),
    text(right + 34, HEIGHT + 20, 'peers', 'dim'),
    text(16, 22, title, 'strong'),
    text(right + 20, 22, 'dashed: target, diamond: before', 'dim'),
  ];
  const lines = [...series].flatMap(([name, own], i) => {
    const sorted = own.toSorted((a, b) => a.peers - b.peers);
    const path = sorted.map(
      ({ peers, value }, at) => `${at === 0 ? 'M' : 'L'}${x(peers).toFixed(1)} ${scale.at(value).toFixed(1)}`,
    );
    const y = TOP + 12 + i * 22;
    return [
      tag('path', { class: `s${i % LINES}`, d: path.join('') }),
      ...sorted.map(({ peers, value }) =>
        tag('circle', { class: `f${i % LINES}`, cx: x(peers), cy: scale.at(value), r: 3.5 }),
      ),
      ...sorted.flatMap(({ peers, target, before }) => [
        ...(target === undefined
          ? []
          : [tag('path', { class: 'goal', d: `M${(x(peers) - 12).toFixed(1)} ${scale.at(target).toFixed(1)}h24` })]),
        ...(before === undefined ? [] : [diamond(x(peers), scale.at(before))]),
      ]),
      tag('circle', { class: `f${i % LINES}`, cx: right + 20, cy: y, r: 5 }),
      text(right + 32, y + 4, name),
    ];
  });
  return card({ width: WIDTH, height: Math.max(HEIGHT + 34, TOP + series.size * 22 + 20) }, title, [...axes, ...lines]);
}
