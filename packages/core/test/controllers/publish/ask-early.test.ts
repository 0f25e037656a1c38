/** What a store holds of our own record is asked for while our address is being found out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storeKey } from '#src/record/store-key.js';
import { createHarness } from '../harness.js';

test('a store is asked for our own record when a discovery begins, and once, however often none comes to anything', async () => {
  const h = createHarness();
  h.mappings.delete(4);
  await h.start();
  await h.advance(120_000);
  const key = storeKey(h.own.publicKey, h.peer().keys.publicKey);
  const asked = h.only('get').filter(({ to }) => to.endsWith(key));
  assert.deepEqual(
    asked.map(({ at }) => at),
    [0],
  );
  assert.ok(h.only('discover').length > 3);
  assert.deepEqual(h.only('publish'), []);
});
