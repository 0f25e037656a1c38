/** One store's watch: what it tells, its heartbeat, and stores that cannot be watched. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError, type WatchListener } from '#src/api/index.js';
import type { NamedStore } from '#src/controllers/device-components.js';
import { createRecordWatches } from '#src/controllers/establish/record-watches.js';
import { heartbeatKey, storeKey } from '#src/record/store-key.js';
import { createMemoryStore } from '#src/testing/index.js';
import { createComponents } from '../doubles.js';

function watched(watch: NonNullable<NamedStore['watch']>) {
  const memory = createMemoryStore();
  const store: NamedStore = { ...memory, name: 'main', traits: { maxValueBytes: 1_000, minPollMs: 500 }, watch };
  const d = createComponents({ stores: [store] });
  const changed: string[] = [];
  const turned: boolean[] = [];
  const shared: string[] = [];
  const watches = createRecordWatches({
    ...d.c,
    on: {
      changed: ({ name }, from) => changed.push(`${name} ${from}`),
      turned: () => turned.push(watches.isTold(d.peer, 'main')),
      shared: (from) => shared.push(from),
    },
  });
  const key = heartbeatKey(d.own.publicKey);
  return {
    ...d,
    changed,
    turned,
    shared,
    watches,
    key,
    written: () => memory.records.get(key),
    /** Ticks once a second, as the device session does while a peer is looked for. */
    async tick(seconds: number) {
      for (let i = 0; i < seconds; i += 1) {
        await d.clock.advance(1_000);
        watches.tick();
      }
      await d.clock.advance(0);
    },
    async start() {
      watches.rewatch();
      await d.clock.advance(0);
    },
  };
}

/** A watch that a test plays: it tells what the test says. */
function played() {
  const listeners: WatchListener[] = [];
  const watch: NonNullable<NamedStore['watch']> = async (_keys, on) => {
    listeners.push(on);
    return {
      get incomplete() {
        return self.incomplete;
      },
      async [Symbol.asyncDispose]() {
        self.ended += 1;
      },
    };
  };
  const self = {
    listeners,
    watch,
    ended: 0,
    incomplete: undefined as string | undefined,
    get on(): WatchListener {
      return listeners.at(-1) ?? assert.fail('nobody watches');
    },
  };
  return self;
}

test('a store tells of a peer’s record; of keys that nobody asked for nothing is made, and its troubles are told', async () => {
  const p = played();
  const d = watched(p.watch);
  await d.start();
  p.on.change('another key');
  assert.deepEqual(d.changed, []);
  p.on.change(storeKey(d.peer.publicKey, d.own.publicKey));
  assert.deepEqual(d.changed, ['peer-0 main']);
  p.on.fault(new StunmeshError('ERR_STORE_UNAVAILABLE', 'gone'));
  assert.deepEqual(d.logger.lines.at(-1)?.fields, { device: 'wg0', store: 'main', error: 'ERR_STORE_UNAVAILABLE' });
  const view = d.device.watches.get('main');
  assert.equal(view?.state, 'failed');
  assert.equal(view?.why, 'gone');
  await d.watches[Symbol.asyncDispose]();
  await d.watches[Symbol.asyncDispose]();
  assert.equal(p.ended, 1);
});

test('F23 changes count as told once our own heartbeat was heard, with its value or without', async () => {
  for (const withValue of [true, false]) {
    const p = played();
    const d = watched(p.watch);
    await d.start();
    assert.equal(d.watches.isTold(d.peer, 'main'), false);
    const value = d.written() ?? assert.fail('no heartbeat was written');
    p.on.change(d.key, 'ab'.repeat(32));
    assert.equal(d.watches.isTold(d.peer, 'main'), false, 'another heartbeat than ours');
    if (withValue) p.on.change(d.key, value);
    else p.on.change(d.key);
    assert.equal(d.watches.isTold(d.peer, 'main'), true);
    assert.deepEqual(d.turned, [true]);
    assert.deepEqual(d.shared, ['main']);
  }
});

test('F23 a heartbeat that is not heard within five seconds makes the watch silent: said once, opened anew at growing pauses', async () => {
  const p = played();
  const d = watched(p.watch);
  await d.start();
  p.on.change(d.key, d.written());
  await d.tick(25);
  assert.equal(d.device.watches.get('main')?.state, 'told');
  await d.tick(13);
  assert.equal(d.device.watches.get('main')?.state, 'silent');
  assert.deepEqual(d.turned, [true, false]);
  await d.tick(600);
  assert.ok(p.listeners.length >= 5 && p.listeners.length <= 11, `opened ${p.listeners.length} times`);
  assert.equal(p.ended, p.listeners.length - 1);
  assert.equal(d.logger.text().split('is silent').length, 2);
  while (d.device.watches.get('main')?.state !== 'told') {
    p.on.change(d.key, d.written());
    await d.tick(1);
  }
  assert.equal(d.turned.at(-1), true);
  assert.match(d.logger.lines.at(-1)?.message ?? '', /tells of changes again/);
});

test('a watch that says that it is incomplete is never relied on, and costs no heartbeat', async () => {
  const p = played();
  p.incomplete = 'on a network file system';
  const d = watched(p.watch);
  await d.start();
  await d.tick(300);
  assert.equal(d.written(), undefined);
  assert.equal(d.watches.isTold(d.peer, 'main'), false);
  assert.deepEqual(
    [d.device.watches.get('main')?.state, d.device.watches.get('main')?.why],
    ['incomplete', 'on a network file system'],
  );
  p.incomplete = undefined;
  await d.tick(70);
  p.on.change(d.key, d.written());
  assert.equal(d.watches.isTold(d.peer, 'main'), true);
});

test('a store that cannot be watched costs a line with its code, however often it is tried, none when the daemon ends', async () => {
  for (const [error, code] of [
    [new StunmeshError('ERR_STORE_UNAVAILABLE', 'down'), 'ERR_STORE_UNAVAILABLE'],
    [new TypeError('a bug'), 'ERR_INTERNAL'],
  ] as const) {
    const d = watched(() => Promise.reject(error));
    await d.start();
    await d.tick(60);
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

test('a watch that could not be opened is opened as soon as the store is there, and relied on then', async () => {
  const p = played();
  let down = true;
  const d = watched((...all) =>
    down ? Promise.reject(new StunmeshError('ERR_STORE_UNAVAILABLE', 'down')) : p.watch(...all),
  );
  await d.start();
  await d.tick(10);
  down = false;
  await d.tick(7);
  p.on.change(d.key, d.written());
  assert.equal(d.watches.isTold(d.peer, 'main'), true);
});
