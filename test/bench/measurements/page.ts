/** The page of measurements: for each part of the bench its plots, and a table of every number beside its target; pure. */
import { judge, show, showTarget } from '../report.js';
import type { PartResults, Results, Section } from '../results.js';
import { BEFORE } from './before.js';
import { drawDistribution } from './distribution.js';
import { drawGrid } from './grid.js';
import { drawGrowth, findGrowth } from './growth.js';

/** A table of marks becomes hard to read with more. */
const MOST_ROWS = 16;
const GRID_PART = 'nats';

export interface MeasurementsPage {
  readonly markdown: string;
  /** By file name. */
  readonly plots: ReadonlyMap<string, string>;
}

/** `images`: the folder of the plots, as links name it. */
export function createPage(results: Results, images: string): MeasurementsPage {
  const plots = new Map<string, string>();
  const parts = Object.entries(results);
  const lines = [
    '# Measurements',
    '',
    'Written by `npm run bench -- --page`, which measures in namespaces of one machine: real NATs (nftables), real WireGuard, real daemons. Times include the',
    'start of a daemon where a row says "start". A number in bold missed its target.',
    '',
    ...(parts.length === 0 ? ['Nothing has been measured for this page yet.'] : []),
    ...parts.flatMap(([name, part]) => partLines(name, part, plots, images)),
  ];
  return { markdown: `${lines.join('\n').trimEnd()}\n`, plots };
}

function partLines(name: string, part: PartResults, plots: Map<string, string>, images: string): string[] {
  const { at, machine, load, sections } = part;
  const head = [`## ${name}`, '', `${at}, ${machine}, load ${load}.${busy(part)}`, ''];
  return [
    ...head,
    ...sections.flatMap((section, i) => {
      const add = (kind: string, title: string, svg: string): string => {
        const file = `${name}-${i + 1}-${kind}.svg`;
        plots.set(file, svg);
        return `![${title.replaceAll(/[[\]]/g, '')}](${images}/${file})`;
      };
      const pictures = sectionPlots(name, section, add).flatMap((picture) => [picture, '']);
      return [`### ${section.title}`, '', ...pictures, ...table(section), ''];
    }),
  ];
}

function busy({ machine, load }: PartResults): string {
  return load > 2 * Number.parseInt(machine, 10) ? ' The machine was busy with other things: no verdict.' : '';
}

function sectionPlots(
  part: string,
  { title, rows }: Section,
  add: (kind: string, title: string, svg: string) => string,
): string[] {
  const shown = rows.filter(({ values }) => values.length > 0).map((row) => ({ ...row, before: BEFORE[row.what] }));
  if (shown.length === 0) return [];
  const grid = part === GRID_PART ? [add('grid', title, drawGrid(title, shown))] : [];
  const growth = [...findGrowth(shown)].map(([measure, one], i) =>
    add(`growth-${i + 1}`, `${title}: ${measure}`, drawGrowth(measure, one)),
  );
  // What has lines by the number of peers is told by those.
  const rest = growth.length > 0 ? shown.filter(({ what }) => !/\b[\d,]+ peers?\b/.test(what)) : shown;
  const units = [...new Set(rest.map(({ unit }) => unit))];
  const marks = units.flatMap((unit) => {
    const own = rest.filter((row) => row.unit === unit);
    const pages = Array.from({ length: Math.ceil(own.length / MOST_ROWS) }, (_, i) =>
      own.slice(i * MOST_ROWS, (i + 1) * MOST_ROWS),
    );
    return pages.map((some, i) =>
      add(`${unit.replace('%', 'percent').replace('/', '-')}-${i + 1}`, title, drawDistribution(title, some)),
    );
  });
  return [...grid, ...growth, ...marks];
}

function table({ rows, missing }: Section): string[] {
  const heads = ['what', 'median', 'worst', 'target', 'before'];
  const cells = rows.map((row): string[] => {
    const { middle, worst, goal, missed } = judge(row);
    const bold = (words: string) => (missed ? `**${words}**` : words);
    const before = BEFORE[row.what];
    const note = row.note === undefined ? '' : ` (${row.note})`;
    return [
      `${plain(row.what)}${plain(note)}`,
      bold(show(middle, row.unit)),
      bold(show(worst, row.unit)),
      showTarget(goal, row.unit),
      before === undefined ? '-' : show(before, row.unit),
    ];
  });
  const none = missing.map(({ what, why }) => [plain(what), '**not measured**', plain(why.slice(0, 120)), '-', '-']);
  return padded([heads, ...cells, ...none]);
}

/** Columns as wide as their widest cell, as the formatter has them. */
function padded(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(3, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${widths.map((width, i) => (row[i] ?? '').padEnd(width)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)];
}

function plain(words: string): string {
  return words.replaceAll(/\s+/g, ' ').trim().replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
