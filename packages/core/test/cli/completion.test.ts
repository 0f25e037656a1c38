/** The completion scripts, asked as a shell asks them. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { formatCompletion } from '#src/cli/completion.js';
import { createProgram } from '#src/cli/program.js';
import { memoryContext } from './call-here.js';

const program = createProgram(memoryContext());

/** What bash offers after these words; the last one is being typed. */
function offered(...words: string[]): string[] {
  const ask = `
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
    _stunmesh
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const script = `${formatCompletion(program, 'bash')}${ask}`;
  return execFileSync('bash', ['-c', script, 'bash', 'stunmesh', ...words], { encoding: 'utf8', cwd: '/' })
    .split('\n')
    .filter((line) => line !== '');
}

test('bash: every command, option and word is offered at its place', () => {
  const names = program.commands.map((command) => command.name());
  for (const name of names) assert.ok(offered('').includes(name), name);
  assert.deepEqual(offered('doc'), ['doctor']);
  assert.deepEqual(offered('config', ''), ['check', 'schema', '--help']);
  assert.deepEqual(offered('--log-level', 'd'), ['debug', 'disabled']);
  assert.deepEqual(offered('status', '--j'), ['--json']);
  assert.deepEqual(offered('plugin', 'test', '--max'), ['--max-size']);
  assert.deepEqual(offered('completion', ''), ['bash', 'zsh', 'fish', '--help']);
});

test('bash: where a file is wanted, files are offered', () => {
  assert.deepEqual(offered('--config', 'et'), ['etc']);
  assert.deepEqual(offered('-c', 'et'), ['etc']);
  assert.deepEqual(offered('config', 'check', 'et'), ['etc']);
});

test('zsh and fish: every command and long option is in the script, which the shell can read where it is installed', (t) => {
  for (const shell of ['zsh', 'fish'] as const) {
    const script = formatCompletion(program, shell);
    for (const command of program.commands) {
      assert.ok(script.includes(command.name()), `${shell}: ${command.name()}`);
      for (const { long } of command.options) assert.ok(script.includes(long?.slice(2) ?? ''), `${shell}: ${long}`);
    }
    const read = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
    if (read.error) t.diagnostic(`${shell} is not here: its script was not read by it`);
    else assert.equal(read.status, 0, read.stderr);
  }
});
