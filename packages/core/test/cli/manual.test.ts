/** The manual page names everything there is, and man reads it without complaint. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import type { Command } from 'commander';
import { formatManual } from '#src/cli/manual.js';
import { createProgram } from '#src/cli/program.js';
import { referenceRows } from '#src/config/reference.js';
import { memoryContext } from './call-here.js';

const program = createProgram(memoryContext());
const page = formatManual(program);
const plain = page.replaceAll('\\-', '-').replaceAll('\\(ti', '~');

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

test('every command, option and configuration key is in the manual', () => {
  for (const command of everyCommand(program))
    for (const { long } of command.options) assert.ok(plain.includes(long ?? ''), `${command.name()} ${long}`);
  for (const command of program.commands) assert.ok(plain.includes(`stunmesh ${command.name()}`), command.name());
  for (const [key] of referenceRows()) assert.ok(plain.includes(key.replaceAll('`', '')), key);
});

test('no line of the manual is longer than a request, and none begins as one by accident', () => {
  const requests = page.split('\n').filter((line) => /^[.']/.test(line));
  for (const line of requests) assert.match(line, /^\.(TH|SH|SS|PP|TP|B|BR|br)\b/, line);
});

test('groff reads the manual without a warning', (t) => {
  const read = spawnSync('groff', ['-man', '-ww', '-Tutf8', '-z'], { input: page, encoding: 'utf8' });
  if (read.error) {
    t.diagnostic('groff is not here: the page was not formatted');
    return;
  }
  assert.equal(read.stderr, '');
  assert.equal(read.status, 0);
});
