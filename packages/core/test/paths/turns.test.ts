/** The turns of candidates as they were recorded before paths became a list: whoever orders them reproduces the trace. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { candidates } from '#src/paths/check-list.js';
import { playTurns } from './turn-scenarios.js';

const TRACE = join(import.meta.dirname, '../../../../test/fixtures/paths/turns.txt');

test('in every protocol, with every family and set of records, candidates have the turns of the recorded trace', () => {
  const played = playTurns((scenario, forMs) =>
    candidates({
      records: scenario.records,
      protocol: scenario.protocol,
      floor: scenario.floor,
      families: scenario.families,
      proven: scenario.proven,
      wallNow: scenario.startsAt + forMs,
      unconnectedForMs: scenario.unconnectedMs + forMs,
      tryingForMs: forMs,
      dwellMs: scenario.dwellMs,
    }),
  );
  assert.deepEqual(played, readFileSync(TRACE, 'utf8').trimEnd().split('\n'));
});
