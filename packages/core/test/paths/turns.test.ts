/** The turns of candidates as they were recorded before paths became a list: whoever orders them reproduces the trace. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formPaths, inTurn } from '#src/paths/check-list.js';
import { playTurns } from './turn-scenarios.js';

const TRACE = join(import.meta.dirname, '../../../../test/fixtures/paths/turns.txt');

test('in every protocol, with every family and set of records, candidates have the turns of the recorded trace', () => {
  const played = playTurns((scenario, forMs) => {
    const wallNow = scenario.startsAt + forMs;
    const paths = formPaths({ ...scenario, wallNow, unconnectedForMs: scenario.unconnectedMs + forMs }, []);
    return inTurn(paths, { tryingForMs: forMs, dwellMs: scenario.dwellMs, wallNow }).map(({ endpoint }) => endpoint);
  });
  assert.deepEqual(played, readFileSync(TRACE, 'utf8').trimEnd().split('\n'));
});
