/** Watching records: what a store tells, and stores that cannot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError, type WatchListener } from '#src/api/index.js';
import type { NamedStore } from '#src/controllers/device-components.js';
import { watchRecords } from '#src/controllers/establish/record-watch.js';
import { storeKey } from '#src/record/store-key.js';
import { createMemoryStore } from '#src/testing/index.js';
import { createComponents } from '../doubles.js';

function watched(watch: NamedStore['watch']) {
  const store: NamedStore = { ...createMemoryStore(), name: 'main', traits: { maxValueBytes: 1_000, minPollMs: 500 } };
  const d = createComponents({ stores: [watch ? { ...store, watch } : store] });
  const changed: string[] = [];
  const start = () => watchRecords(d.c, ({ name }) => changed.push(name));
  return { ...d, changed, start };
}

test('a store tells of a peer’s record; of keys that nobody asked for nothing is made, and its troubles are told', async () => {
  let on: WatchListener | undefined;
  let ended = 0;
  const d = watched(async (_keys, listener) => {
    on = listener;
    return {
      async [Symbol.asyncDispose]() {
        ended += 1;
      },
    };
  });
  const watch = await d.start();
  on?.change('another key');
  assert.deepEqual(d.changed, []);
  on?.change(storeKey(d.peer.publicKey, d.own.publicKey));
  assert.deepEqual(d.changed, ['peer-0']);
  const error = new StunmeshError('ERR_STORE_UNAVAILABLE', 'gone');
  on?.fault(error);
  assert.deepEqual(d.logger.lines.at(-1)?.fields, { device: 'wg0', store: 'main', error });
  await watch[Symbol.asyncDispose]();
  await watch[Symbol.asyncDispose]();
  assert.equal(ended, 1);
});

test('a store that cannot be watched costs a line with its code, none when the daemon ends', async () => {
  for (const [error, code] of [
    [new StunmeshError('ERR_STORE_UNAVAILABLE', 'down'), 'ERR_STORE_UNAVAILABLE'],
    [new TypeError('a bug'), 'ERR_INTERNAL'],
  ] as const) {
    const d = watched(() => Promise.reject(error));
    await (await d.start())[Symbol.asyncDispose]();
    assert.deepEqual(d.logger.lines, [
      {
        level: 'debug',
        fields: { device: 'wg0', store: 'main', error: code },
        message: 'cannot watch; polling instead',
      },
    ]);
    d.logger.lines.length = 0;
    d.stopping.abort();
    await d.start();
    assert.deepEqual(d.logger.lines, []);
  }
});
