import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, parseDuration } from '#src/api/index.js';
import { processorMs } from '../config/fixtures.js';

test("parseDuration follows Go's grammar and gives milliseconds", () => {
  const good: [string, number][] = [
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['1ns', 1e-6],
    ['3us', 0.003],
    ['3µs', 0.003],
    ['3μs', 0.003],
    ['9us', 0.009],
    ['250ms', 250],
    ['90s', 90_000],
    ['1m30s', 90_000],
    ['1h2m3s4ms5us', 3_723_004.005],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['5.s', 5_000],
    ['+5s', 5_000],
    ['-1m', -60_000],
    ['2562047h', 2_562_047 * 3_600_000],
    ['30s1m', 90_000],
  ];
  for (const [text, ms] of good) assert.equal(parseDuration(text), ms, text);
});

test('parseDuration refuses what has no unit, an unknown unit, blanks, or no number', () => {
  for (const text of [
    '',
    '60',
    '1.5',
    's',
    '.s',
    '-',
    '+',
    '5 s',
    ' 5s',
    '5S',
    '1d',
    '1e3s',
    '--5s',
    '1h-5m',
    '5s\n',
    '2562048h',
    '٣s',
  ])
    assert.equal(parseDuration(text), undefined, JSON.stringify(text));
});

test('formatDuration gives the shortest exact text', () => {
  const cases: [number, string][] = [
    [0, '0s'],
    [0.000_001, '1ns'],
    [0.25, '250us'],
    [1.5, '1500us'],
    [999, '999ms'],
    [999.999_999_9, '1s'],
    [1_000, '1s'],
    [1_500, '1s500ms'],
    [90_000, '1m30s'],
    [600_000, '10m'],
    [3_600_000, '1h'],
    [90_061_001, '25h1m1s1ms'],
    [-90_000, '-1m30s'],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text, String(ms));
});

test('durations survive milliseconds to text to milliseconds, to the nanosecond', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e15 }), (ns) => {
      const ms = ns / 1e6;
      const back = parseDuration(formatDuration(ms)) ?? Number.NaN;
      assert.ok(Math.abs(back - ms) < 5e-7, `${ms} ${formatDuration(ms)} ${back}`);
    }),
  );
});

test('fuzz: parseDuration gives a finite number or undefined for any text, and is quick', () => {
  const letters = fc.constantFrom('0', '9', '.', 'n', 'u', 'µ', 'm', 's', 'h', '-', '+', ' ', 'e');
  const near = fc.array(letters, { maxLength: 40 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), near), (text) => {
      const ms = parseDuration(text);
      assert.ok(ms === undefined || Number.isFinite(ms), JSON.stringify(text));
    }),
    { numRuns: 2_000 },
  );
  const start = processorMs();
  for (const text of ['1'.repeat(200_000), '1.'.repeat(100_000), `${'1m'.repeat(100_000)}x`, '.'.repeat(200_000)])
    assert.equal(parseDuration(text), undefined);
  assert.ok(processorMs() - start < 1_000, 'linear in the length of the text');
});
