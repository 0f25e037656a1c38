/** Stores that say themselves how often they are to be read while a peer is looked for (F67). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoreTraits } from '#src/api/index.js';
import { storeKey } from '#src/record/store-key.js';
import { createHarness, type Harness } from '../harness.js';

/** The DHT's. */
const SCHEDULED: Partial<StoreTraits> = {
  minPollMs: 30_000,
  pollSchedule: [
    { untilMs: 4_000, everyMs: 2_000 },
    { untilMs: 7_000, everyMs: 3_000 },
    { untilMs: 600_000, everyMs: 5_000 },
  ],
};

/** When the peer's record was read in a store, in milliseconds after the first time. */
function readings(h: Harness, store = 'main'): number[] {
  const key = storeKey(h.peer().keys.publicKey, h.own.publicKey);
  const at = h.only('get').flatMap((step) => (step.to === `${store} ${key}` ? [step.at] : []));
  return at.map((each) => each - (at[0] ?? 0));
}

test('F67 while a peer is looked for it is read at 0, 2, 4, 7 and 12 s, then every five, and after ten minutes every thirty', async () => {
  const h = createHarness({ stores: { main: SCHEDULED }, watch: false });
  await h.start();
  await h.advance(30_000);
  const first = readings(h).map((ms) => Math.round(ms / 100) / 10);
  assert.deepEqual(first.slice(0, 7), [0, 2, 4, 7, 12, 17, 22]);
  h.forget();
  await h.advance(520_000);
  const often = readings(h).length;
  assert.ok(often >= 102 && often <= 106, `${often} times in 520 s`);
  await h.advance(60_000);
  h.forget();
  await h.advance(600_000);
  const seldom = readings(h).length;
  assert.ok(seldom >= 19 && seldom <= 22, `${seldom} times in ten minutes`);
});

test('F67 beside a store without a schedule each is read at its own pace', async () => {
  const h = createHarness({ stores: { main: SCHEDULED, quick: { minPollMs: 0 } }, watch: false });
  await h.start();
  await h.advance(10_000);
  assert.deepEqual(
    readings(h, 'main').map((ms) => Math.round(ms / 100) / 10),
    [0, 2, 4, 7],
  );
  const quick = readings(h, 'quick').length;
  assert.ok(quick >= 9 && quick <= 12, `${quick} times`);
});

test('F67 a peer that is lost is looked for as soon as a new one', async () => {
  const h = createHarness({ stores: { main: SCHEDULED }, watch: false, keepaliveSeconds: 25 });
  await h.start();
  await h.connect();
  assert.equal(h.entry().phase, 'connected');
  await h.live(200_000);
  h.forget();
  h.peer().answersAt = undefined;
  while (h.entry().phase === 'connected') await h.advance(1_000);
  const since = h.entry().unconnectedSince;
  h.forget();
  await h.advance(13_000);
  const gets = h.only('get').filter(({ at }) => at >= since);
  assert.ok(gets.length >= 4, `${gets.length} readings in 13 s`);
});

test('F66 with nine peers each is read a third as often', async () => {
  const count = async (peers: number): Promise<number> => {
    const h = createHarness({ peers, stores: { main: SCHEDULED }, watch: false });
    await h.start();
    await h.advance(120_000);
    return h.only('get').length;
  };
  const [three, nine] = [await count(3), await count(9)];
  assert.ok(nine < three * 1.4, `${three} readings for three peers, ${nine} for nine`);
});
