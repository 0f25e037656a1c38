/** The limit on branch coverage: what is below it, or was not measured, ends with 1. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const TOOL = fileURLToPath(new URL('../../tools/coverage.mjs', import.meta.url));
const GOOD = {
  total: [1, 100],
  '/somewhere/packages/core/src/controllers/a.ts': [95, 100],
  '/somewhere/packages/core/src/stun/a.ts': [50, 50],
  '/somewhere/packages/core/src/net/a.ts': [20, 20],
  '/somewhere/packages/core/src/record/a.ts': [20, 20],
  '/somewhere/packages/core/src/wireguard/dump.ts': [30, 30],
  '/somewhere/packages/core/src/wireguard/uapi.ts': [0, 30],
  '/somewhere/packages/store-file/src/index.ts': [0, 1],
} as const;

function judge(files: Readonly<Record<string, readonly [covered: number, total: number]>>) {
  const folder = mkdtempSync(join(tmpdir(), 'coverage-'));
  try {
    const entries = Object.entries(files).map(([path, [covered, total]]) => [path, { branches: { covered, total } }]);
    writeFileSync(join(folder, 'summary.json'), JSON.stringify(Object.fromEntries(entries)));
    const { status, stdout } = spawnSync(process.execPath, [TOOL, join(folder, 'summary.json')], { encoding: 'utf8' });
    return { status, line: (area: string) => stdout.split('\n').find((line) => line.startsWith(area)) ?? '' };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('coverage at the limit is enough, and what has no limit is only told', () => {
  const { status, line } = judge(GOOD);
  assert.equal(status, 0);
  assert.match(line('controllers'), /1 +95\/100 +95\.00 +95$/);
  assert.match(line('wireguard codecs'), /30\/30 +100\.00 +95$/);
  assert.match(line('rest of the core'), /0\/30 +0\.00$/);
});

test('coverage below the limit ends with 1 and names the area, also by a hair', () => {
  const { status, line } = judge({ ...GOOD, '/somewhere/packages/core/src/stun/b.ts': [94_949, 99_999] });
  assert.equal(status, 1);
  assert.match(line('stun'), /94\.\d\d +95 {2}too low$/);
  assert.doesNotMatch(line('net'), /too low/);
});

test('an area that was not measured is no area that is well', () => {
  const { '/somewhere/packages/core/src/record/a.ts': _, ...others } = GOOD;
  const { status, line } = judge(others);
  assert.equal(status, 1);
  assert.match(line('record'), /0\/0 +0\.00 +95 {2}too low$/);
});
