/** Flags as older set-ups write them: one dash, and switches with a value. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseArguments } from '#src/cli/arguments.js';

const ROWS: readonly [readonly string[], readonly string[]][] = [
  [[], []],
  [['-oneshot'], ['--oneshot']],
  [['--oneshot'], ['--oneshot']],
  [['-oneshot=true'], ['--oneshot']],
  [['--oneshot=true'], ['--oneshot']],
  [['-oneshot=1'], ['--oneshot']],
  [['-oneshot=false'], []],
  [['-version'], ['--version']],
  [
    ['-config', 'a.yaml'],
    ['--config', 'a.yaml'],
  ],
  [['-config=a.yaml'], ['--config=a.yaml']],
  [['-config-dir=/etc/x'], ['--config-dir=/etc/x']],
  [
    ['-c', 'a.yaml'],
    ['-c', 'a.yaml'],
  ],
  [['-c=a.yaml'], ['-c=a.yaml']],
  [['-nonsense'], ['-nonsense']],
  [
    ['status', '--json'],
    ['status', '--json'],
  ],
  [
    ['plugin', 'test', '--', './it', '-config', '-oneshot=true'],
    ['plugin', 'test', '--', './it', '-config', '-oneshot=true'],
  ],
];

for (const [given, expected] of ROWS) {
  test(`arguments: ${given.join(' ') || '(none)'}`, () => {
    assert.deepEqual(normaliseArguments(given), expected);
  });
}
