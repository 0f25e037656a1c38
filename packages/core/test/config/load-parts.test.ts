/** A configuration crosses from one thread to another in parts of bounded size. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ParsedConfig } from '#src/config/load.js';
import { joinParts, splitParsed } from '#src/config/load-parts.js';
import { SLICE } from '#src/runtime/slices.js';

function parsed(...counts: readonly number[]): ParsedConfig {
  const peers = (count: number) => new Map(Array.from({ length: count }, (_, n) => [`p${n}`, { name: `p${n}` }]));
  const interfaces = new Map(counts.map((count, n) => [`wg${n}`, { name: `wg${n}`, peers: peers(count) }]));
  return {
    config: { file: '/c.yaml', interfaces },
    warnings: ['one'],
    source: { root: undefined, lineStarts: [0] },
  } as unknown as ParsedConfig;
}

test('F76 no part has more peers than a slice, and together they are the whole', () => {
  for (const counts of [[], [0], [1], [SLICE, 0, SLICE + 1], [10_000, 3]]) {
    const whole = parsed(...counts);
    const parts = [...splitParsed(whole)];
    for (const part of parts) {
      if ('of' in part) assert.ok(part.of.length <= SLICE);
      else assert.ok([...part.parsed.config.interfaces.values()].every(({ peers }) => peers.size === 0));
    }
    const take = joinParts();
    const results = parts.map((part) => take(structuredClone(part)));
    assert.deepEqual(results.pop(), whole);
    assert.ok(results.every((result) => result === undefined));
  }
});
