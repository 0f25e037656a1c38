/** The page of measurements: kept results come back as they were, each row stands beside its target, and plots say what the rows say. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findGrowth } from '../bench/measurements/growth.js';
import { createPage } from '../bench/measurements/page.js';
import { createScale } from '../bench/measurements/scale.js';
import { Report, type Row } from '../bench/report.js';
import { keepResults, type PartResults, readResults } from '../bench/results.js';

const part = (title: string, ...rows: Row[]): PartResults => ({
  at: '2026-12-01T12:00Z',
  runs: 3,
  machine: '2 x a processor',
  load: 0.4,
  sections: [{ title, rows, missing: [] }],
});
const ms = (what: string, values: readonly number[], target?: Row['target']): Row => ({
  what,
  values,
  unit: 'ms',
  ...(target === undefined ? {} : { target }),
});

test('results are kept by part, a run that gave no number included', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stunmesh-results-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'bench/results.json');
  assert.deepEqual(readResults(file), {});
  const heal = part('Recovery', ms('moves', [1, Number.POSITIVE_INFINITY], { median: 5, worst: 9 }));
  keepResults('heal', part('Recovery', ms('moves', [7])), file);
  keepResults('idle', part('Idle'), file);
  keepResults('heal', heal, file);
  assert.deepEqual(readResults(file), { heal, idle: part('Idle') });
  assert.doesNotMatch(readFileSync(file, 'utf8'), /null/);
});

test('what the bench prints is data as well', (t) => {
  t.mock.method(process.stdout, 'write', () => true);
  const report = new Report();
  report.title('One');
  report.row(ms('a', [3, 1, 2], 2));
  report.title('Two');
  report.missing('b', 'it broke');
  assert.equal(report.missed, 2);
  assert.deepEqual(report.sections, [
    { title: 'One', rows: [ms('a', [3, 1, 2], 2)], missing: [] },
    { title: 'Two', rows: [], missing: [{ what: 'b', why: 'it broke' }] },
  ]);
});

test('a table with every row, what missed its target in bold, and a plot with a dot for each run', () => {
  const rows = [
    ms('soon <1>', [100, 120, 140], { median: 200, worst: 300 }),
    ms('late', [900, 950, Number.POSITIVE_INFINITY], 800),
  ];
  const { markdown, plots } = createPage({ 'first-ping': part('First ping', ...rows) }, 'images');
  assert.match(markdown, /^\| soon &lt;1> +\| 120 ms +\| 140 ms +\| 200 ms \/ 300 ms \| - +\|$/m);
  assert.match(markdown, /^\| late +\| \*\*950 ms\*\* \| \*\*never\*\* +\| 800 ms/m);
  assert.match(markdown, /!\[First ping\]\(images\/first-ping-1-ms-1\.svg\)/);
  const [svg = ''] = plots.values();
  assert.equal(svg.match(/class="run"/g)?.length, 5);
  assert.equal(svg.match(/class="goal"/g)?.length, 3);
  assert.match(svg, /soon &lt;1&gt;/);
  assert.match(svg, />×</);
});

test('pairs of NATs are a grid, with a word where there is no number', () => {
  const { plots } = createPage(
    { nats: part('Pairs', ms('none and full', [400]), ms('symmetric and full', [700], 500)) },
    'i',
  );
  const svg = plots.get('nats-1-grid.svg') ?? '';
  assert.equal(svg.match(/class="cell"/g)?.length, 4);
  assert.equal(svg.match(/>400 ms</g)?.length, 2);
  assert.equal(svg.match(/class="bad"[^>]*>700 ms</g)?.length, 2);
  assert.equal(svg.match(/>(search|no)</g)?.length, 21);
});

test('rows that differ by the number of peers are lines, one for each kind', () => {
  const cost = (store: string, peers: string, value: number) =>
    ms(`${store} store, ${peers}: read, CPU of it per peer`, [value]);
  const rows = [
    cost('file', '1 peer', 9),
    cost('file', '1,000 peers', 2),
    cost('shell', '50 peers', 7),
    ms('alone', [1]),
  ];
  const [[title, growth] = []] = findGrowth(rows);
  assert.equal(title, 'CPU of it per peer (ms)');
  assert.deepEqual(
    [...(growth?.series ?? [])],
    [
      [
        'file store, read',
        [
          { peers: 1, value: 9 },
          { peers: 1000, value: 2 },
        ],
      ],
    ],
  );
  const { plots } = createPage({ peers: part('Cost', ...rows) }, 'i');
  assert.deepEqual([...plots.keys()], ['peers-1-growth-1.svg', 'peers-1-ms-1.svg']);
});

test('an axis begins at zero, or goes by powers of ten where sizes differ much', () => {
  const straight = createScale([90, 400], 0, 100);
  assert.deepEqual(straight.ticks, [0, 100, 200, 300, 400]);
  assert.equal(straight.at(200), 50);
  const powers = createScale([1, 9_000], 0, 100);
  assert.deepEqual(powers.ticks, [1, 10, 100, 1_000, 10_000]);
  assert.equal(powers.at(100), 50);
  assert.equal(createScale([0], 7, 100).at(5), 7);
});
