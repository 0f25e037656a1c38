/** Outer ports of a NAT whose mapping depends on the destination: steady steps, blocks, chance. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeAllocation } from '#src/nat/allocation.js';

test('steady steps are told with what other flows took between them; two ports tell nothing', () => {
  assert.deepEqual(judgeAllocation([40_000, 40_001, 40_002]), { delta: 1 });
  assert.deepEqual(judgeAllocation([40_000, 40_002, 40_004, 40_010]), { delta: 2 });
  assert.deepEqual(judgeAllocation([40_000, 40_003, 40_005]), { delta: 1 });
  assert.deepEqual(judgeAllocation([40_000, 40_004, 40_012]), { delta: 4 });
  assert.equal(judgeAllocation([40_000, 40_001]), 'unknown');
});

test('a router that counts is told though one server was asked before the others', () => {
  assert.deepEqual(judgeAllocation([40_009, 40_000, 40_012, 40_001]), { delta: 1 });
  assert.deepEqual(judgeAllocation([40_020, 40_000, 40_024]), { delta: 4 });
});

test('a router that counts is told though other hosts opened a hundred flows since some servers were asked', () => {
  assert.deepEqual(judgeAllocation([41_003, 41_004, 41_075, 41_077]), { delta: 1 });
  assert.deepEqual(judgeAllocation([41_176, 41_340, 41_342, 41_346]), { delta: 2 });
  assert.deepEqual(judgeAllocation([41_316, 41_320, 41_700, 41_712, 41_716]), { delta: 4 });
  assert.deepEqual(judgeAllocation([41_000, 41_090, 41_130, 41_200]), { block: 512 }, 'nothing is close');
  assert.equal(judgeAllocation([20_000, 20_001, 50_000, 50_001]), 'random');
});

test('ports near each other without order are of a block, those that are far apart are chance', () => {
  assert.deepEqual(judgeAllocation([40_300, 40_010, 40_690]), { block: 2048 });
  assert.deepEqual(judgeAllocation([40_300, 40_010, 40_590, 40_120]), { block: 1024 });
  assert.deepEqual(judgeAllocation([40_100, 40_010, 40_050]), { block: 256 });
  assert.equal(judgeAllocation([40_000, 1_200, 61_000]), 'random');
  assert.equal(judgeAllocation([40_000, 43_000, 41_500]), 'random');
});
