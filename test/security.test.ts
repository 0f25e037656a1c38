/** docs/security.md claims nothing that no test holds: each number in brackets leads to a test that is there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './architecture/source.js';

const page = readFileSync(join(ROOT, 'docs/security.md'), 'utf8');
const [claims = '', list = ''] = page.split('## The tests that hold it');
const held = [...list.matchAll(/^(\d+)\. `([^`]+)`: (.+)$/gm)].map(([, number, path = '', words = '']) => ({
  number: Number(number),
  path,
  words,
}));

test('each test that the security model names is there, by its words', () => {
  assert.ok(held.length > 40, `${held.length} tests`);
  const missing = held.filter(({ path, words }) => {
    const file = join(ROOT, path);
    if (!/\.test\.ts$/.test(path) || !existsSync(file)) return true;
    // As a name stands in a source: quotes of three kinds, with the other ones inside.
    return !readFileSync(file, 'utf8').replaceAll('\\', '').includes(words);
  });
  assert.deepEqual(missing, []);
});

test('the numbers of its claims and of the list are the same', () => {
  const used = new Set([...claims.matchAll(/\[(\d+)\](?!\()/g)].map(([, number]) => Number(number)));
  const numbers = held.map(({ number }) => number);
  assert.deepEqual(
    numbers,
    [...numbers.keys()].map((at) => at + 1),
  );
  assert.deepEqual(
    [...used].sort((a, b) => a - b),
    numbers,
  );
});

test('every row of who can do what, and of what is limited, has a test', () => {
  const rows = claims.split('\n').filter((line) => line.startsWith('| ') && !/^\| (who|from|---)/.test(line));
  // What an eavesdropper of the tunnel sees is WireGuard's promise.
  const bare = rows.filter((line) => !/\[\d+\]/.test(line) && !line.includes('sees the path between the peers'));
  assert.deepEqual(
    bare.filter((line) => !line.includes('is on the path')),
    [],
  );
});
