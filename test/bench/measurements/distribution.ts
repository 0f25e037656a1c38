/** A row of marks for each row of the bench: every run a dot, the median a line, beside the target and what it was before; pure. */
import { judge, type Row, show } from '../report.js';
import { createScale } from './scale.js';
import { card, diamond, tag, text } from './svg.js';

const WIDTH = 860;
const LABEL = 370;
const RIGHT = 86;
const ROW = 24;
const TOP = 30;
const LEGEND = 'dots: runs, line: median, dashed: target of the median (short) and of the worst run (tall)';

export interface Shown extends Row {
  /** The same measured before this. */
  readonly before?: number | undefined;
}

/** `rows` have one unit. */
export function drawDistribution(title: string, rows: readonly Shown[]): string {
  const unit = rows[0]?.unit ?? 'ms';
  const to = WIDTH - RIGHT - 16;
  const all = rows.flatMap((row) => {
    const { goal } = judge(row);
    return [...row.values, ...(goal ? [goal.median ?? 0, goal.worst ?? 0] : []), row.before ?? 0];
  });
  const scale = createScale(all, LABEL, to);
  const bottom = TOP + rows.length * ROW;
  const axis = scale.ticks.flatMap((tick) => [
    tag('path', { class: 'axis', d: `M${scale.at(tick).toFixed(1)} ${TOP - 4}V${bottom}` }),
    text(scale.at(tick), bottom + 16, tick === 0 ? '0' : show(tick, unit), 'dim', 'middle'),
  ]);
  const legend = text(
    16,
    TOP - 11,
    rows.some(({ before }) => before !== undefined) ? `${LEGEND}, diamond: before` : LEGEND,
    'dim',
  );
  const marks = rows.flatMap((row, i) => drawRow(row, TOP + i * ROW + ROW / 2, scale.at, to));
  return card({ width: WIDTH, height: bottom + 28 }, title, [legend, ...axis, ...marks]);
}

function drawRow(row: Shown, y: number, at: (value: number) => number, end: number): string[] {
  const { middle, goal, missed } = judge(row);
  const finite = row.values.filter((value) => Number.isFinite(value));
  const line = (value: number, kind: string, half: number) =>
    tag('path', { class: kind, d: `M${at(value).toFixed(1)} ${y - half}v${2 * half}` });
  return [
    text(16, y + 4, shortened(row.what)),
    ...(goal?.median === undefined ? [] : [line(goal.median, 'goal', 6)]),
    ...(goal?.worst === undefined ? [] : [line(goal.worst, 'goal', 11)]),
    ...(row.before === undefined ? [] : [diamond(at(row.before), y)]),
    ...finite.map((value) => tag('circle', { class: 'run', cx: at(value), cy: y, r: 4 })),
    ...(Number.isFinite(middle) ? [line(middle, 'median', 8)] : []),
    ...(finite.length < row.values.length ? [text(end, y + 4, '×', 'bad', 'middle')] : []),
    text(WIDTH - 14, y + 4, show(middle, row.unit), missed ? 'bad' : 'strong', 'end'),
  ];
}

function shortened(words: string): string {
  return words.length <= 58 ? words : `${words.slice(0, 57)}…`;
}
