/** Pairs of NATs as a grid: the median of each pair, the darker the longer; pure. */
import { NAT_KINDS } from '../../e2e/lab/index.js';
import { judge, type Row, show } from '../report.js';
import { card, tag, text } from './svg.js';

const LEFT = 130;
const TOP = 44;
const CELL = { width: 124, height: 44 };

/** Rows are called "full and symmetric"; a pair without a row is one that plain hole punching does not connect. */
export function drawGrid(title: string, rows: readonly Row[]): string {
  const find = (a: string, b: string) => rows.find(({ what }) => what === `${a} and ${b}` || what === `${b} and ${a}`);
  const medians = rows.map((row) => judge(row).middle).filter(Number.isFinite);
  const [least, most] = [Math.min(...medians), Math.max(...medians)];
  const size = { width: LEFT + NAT_KINDS.length * CELL.width + 14, height: TOP + NAT_KINDS.length * CELL.height + 14 };
  const heads = NAT_KINDS.flatMap((kind, i) => [
    text(LEFT + (i + 0.5) * CELL.width, TOP - 12, kind, 'dim', 'middle'),
    text(LEFT - 12, TOP + (i + 0.5) * CELL.height + 4, kind, 'dim', 'end'),
  ]);
  const cells = NAT_KINDS.flatMap((a, y) =>
    NAT_KINDS.flatMap((b, x) => {
      const row = find(a, b);
      const { middle = Number.NaN, missed = false } = row ? judge(row) : {};
      const share = most > least ? (middle - least) / (most - least) : 0;
      const at = { x: LEFT + x * CELL.width + 2, y: TOP + y * CELL.height + 2 };
      const box = { ...at, width: CELL.width - 4, height: CELL.height - 4, rx: 6 };
      const words = row ? show(middle, row.unit) : a === b ? 'no' : 'search';
      return [
        row
          ? tag('rect', { ...box, class: 'cell', 'fill-opacity': Number.isFinite(share) ? 0.14 + 0.3 * share : 0 })
          : tag('rect', { ...box, class: 'none' }),
        text(
          at.x + box.width / 2,
          at.y + box.height / 2 + 4,
          words,
          row ? (missed ? 'bad' : 'strong') : 'dim',
          'middle',
        ),
      ];
    }),
  );
  return card(size, title, [...heads, ...cells]);
}
