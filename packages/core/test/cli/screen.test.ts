import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CliContext } from '#src/cli/context.js';
import { openScreen } from '#src/cli/screen.js';
import { memoryContext } from './call-here.js';

function context(rows: number | undefined): { readonly written: string[] } & CliContext {
  const written: string[] = [];
  return { written, ...memoryContext(written, [], { colour: true, rows }) };
}

test('a terminal gets the alternate screen, each page over the last in one write, as much as fits, and itself back', () => {
  const terminal = context(3);
  const screen = openScreen(terminal);
  screen.draw('one\ntwo\n');
  screen.draw('a\nb\nc\nd\ne\n');
  screen.close();
  assert.deepEqual(terminal.written, [
    '\u001b[?1049h\u001b[?25l',
    '\u001b[Hone\u001b[K\r\ntwo\u001b[K\u001b[J',
    '\u001b[Ha\u001b[K\r\nb\u001b[K\r\n… 3 more lines; --not-connected or --peer show less\u001b[K\u001b[J',
    '\u001b[?25h\u001b[?1049l',
  ]);
});

test('elsewhere pages follow each other with a blank line between, without any control character', () => {
  const file = context(undefined);
  const screen = openScreen(file);
  screen.draw('one\n');
  screen.draw('two\n');
  screen.close();
  assert.deepEqual(file.written, ['one\n', '\ntwo\n']);
});
