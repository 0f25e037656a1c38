import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { createTagRenewal } from '#src/controllers/checks/tag-renewal.js';
import { TagTable } from '#src/paths/check-tags.js';

const SECONDS = 1_796_112_000;

function createTable(peers: number) {
  const table = new TagTable<number>();
  const derived = new Set<number>();
  for (let peer = 0; peer < peers; peer += 1) {
    const keys = { tagKey: randomBytes(32), macKey: randomBytes(32) };
    table.add(peer, () => {
      derived.add(peer);
      return keys;
    });
  }
  return { table, derived };
}

test('tags are made in turns: the keys of a peer are derived in the turn that comes to it', () => {
  const { table, derived } = createTable(100);
  assert.equal(derived.size, 0);
  let turns = 0;
  do {
    let done = 0;
    assert.equal(
      table.advance(SECONDS, () => {
        done += 1;
        return done === 30;
      }),
      true,
    );
    turns += 1;
    assert.equal(derived.size, Math.min(30 * turns, 100));
  } while (table.isBehind);
  assert.equal(turns, 4);
  assert.equal(table.prefixes().length, 600);
});

test('of two peers one can be removed between the turns, with the tags that it has', () => {
  const { table } = createTable(2);
  table.advance(SECONDS, () => true);
  assert.equal(table.prefixes().length, 6);
  table.remove(0);
  table.remove(1);
  assert.equal(table.isBehind, false);
  assert.deepEqual(table.prefixes(), []);
});

test('the tags of 1,000 peers are made in slices, and handed over at the end and once a second at most', async () => {
  const { table } = createTable(1_000);
  let turns = 0;
  const passed: number[][] = [];
  const clock = {
    now: () => 100 * turns,
    sleep: async () => {
      turns += 1;
    },
  };
  const renew = createTagRenewal({
    clock: clock as never,
    signal: new AbortController().signal,
    times: () => ({ seconds: SECONDS }),
    peers: () => ({ receiver: table }),
    sockets: () => ({ pass: (tags) => passed.push([...tags]) }),
  });
  renew();
  renew();
  while (table.isBehind) await undefined;
  assert.equal(turns, 3);
  assert.deepEqual(
    passed.map((tags) => tags.length > 5_900),
    [false, true],
  );
});
