/** Stacks of failed tests name sources, although processes run without source maps. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../architecture/source.js';

const { withSourcePositions } = (await import(join(ROOT, 'test/tools/source-positions.mjs'))) as {
  withSourcePositions(text: string): string;
};

test('a position in a compiled file becomes that in its source; one in any other file stays', () => {
  const error = new Error('here');
  const stack = withSourcePositions(String(error.stack));
  const [, line = ''] = /\((?:async )?(\/.*source-positions\.test\.ts:\d+):\d+\)|$/.exec(stack) ?? [];
  const [file = '', number = ''] = line.split(/:(?=\d+$)/);
  assert.match(readFileSync(file, 'utf8').split('\n')[Number(number) - 1] ?? '', /new Error\('here'\)/);
  const other = ' at f (file:///nowhere/at/all.js:1:2) and /also/not/here.js:3:4, node:internal/x:5:6';
  assert.equal(withSourcePositions(other), other);
});
