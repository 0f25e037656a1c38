/** How many calls of a plugin run at a time (F81). */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { StunmeshError } from '@stunmesh/core/api';
import { createTurns } from '#src/in-turns.js';
import execStore, { type ExecStoreConfig } from '#src/index.js';
import { exists, failure, free, open, scratch, script, until } from './fixture.js';

const key = (n: number): string => n.toString(16).padStart(40, '0');

/** A plugin that keeps all its records in one file, as one written for a call at a time does; notes when another one runs too. */
async function oneFile(t: TestContext, more: Partial<ExecStoreConfig> = {}) {
  const folder = await scratch(t);
  const command = await script(
    t,
    `#!/bin/sh
cd ${folder}
mkdir busy 2>/dev/null || echo collision >>collisions
. /dev/stdin
if [ $STUNMESH_ACTION = set ]; then
  { grep -v "^$STUNMESH_KEY " all 2>/dev/null; echo "$STUNMESH_KEY $STUNMESH_VALUE"; } >new
  sleep 0.02
  mv new all
else sed -n "s/^$STUNMESH_KEY //p" all; fi
rmdir busy`,
  );
  const store = await open(t, { type: 'shell', command, ...more });
  const collisions = () => readFile(join(folder, 'collisions'), 'utf8').catch(() => '');
  return { store, collisions };
}

test('F81 calls to a shell plugin never run at the same time, so that one file for all records loses none', async (t) => {
  const { store, collisions } = await oneFile(t);
  const keys = Array.from({ length: 12 }, (_, n) => key(n));
  await Promise.all(keys.map((each) => store.set(each, `${each.slice(-2)}ab`, free)));
  const found = await Promise.all(keys.map((each) => store.get(each, free)));
  assert.deepEqual([found, await collisions()], [keys.map((each) => `${each.slice(-2)}ab`), '']);
});

test('F81 parallel: N allows more, and the host is told either way', async (t) => {
  const { store, collisions } = await oneFile(t, { parallel: 4 });
  await Promise.allSettled([1, 2, 3, 4].map((n) => store.set(key(n), 'ab', free)));
  assert.notEqual(await collisions(), '');
  const most = (more: Partial<ExecStoreConfig>) => execStore.traits({ type: 'exec', command: 'x', ...more }).maxCalls;
  assert.deepEqual(
    [most({}), most({ parallel: 8 }), most({ protocol: 1 }), most({ protocol: 1, parallel: 2 })],
    [1, 8, undefined, 2],
  );
});

test('F81 a call that was given up and whose process is still being ended delays the next one until it is gone', async (t) => {
  const folder = await scratch(t);
  const command = await script(
    t,
    `#!/bin/sh
trap '' TERM
. /dev/stdin
case $STUNMESH_KEY in
*1) echo $$ >${folder}/pid; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; done ;;
*) kill -0 $(cat ${folder}/pid) 2>/dev/null && echo aaaa || echo bbbb ;;
esac`,
  );
  const store = await open(t, { type: 'shell', command });
  const giveUp = new AbortController();
  const first = failure(store.get(key(1), giveUp));
  const second = store.get(key(2), free);
  await until(() => exists(join(folder, 'pid')));
  giveUp.abort(new StunmeshError('ERR_DEADLINE', 'no answer'));
  assert.equal((await first).code, 'ERR_DEADLINE');
  assert.equal(await second, 'bbbb');
});

test('who waits for a turn can give it up, and passes it on', async () => {
  const turns = createTurns(1);
  let finish: () => void = () => {};
  const order: number[] = [];
  const first = turns(free.signal, () => new Promise<void>((resolve) => (finish = resolve)));
  const giveUp = new AbortController();
  const second = turns(giveUp.signal, async () => void order.push(2));
  const third = turns(free.signal, async () => void order.push(3));
  giveUp.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  assert.deepEqual(order, []);
  finish();
  await Promise.all([first, third]);
  assert.deepEqual(order, [3]);
});
