/** Records, stores and peers that change without end: what is done about one peer in a minute is bounded (F77). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness, farEndpoint, type Harness, WALL_START } from './harness.js';

const T = WALL_START / 1000;
const count = (h: Harness, ...what: Parameters<Harness['only']>) => h.only(...what).length;

/** Calls `change` every `gapMs` for a minute. */
async function forAMinute(h: Harness, gapMs: number, change: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round * gapMs < 60_000; round += 1) {
    await change(round);
    if (h.entry().phase === 'connected') await h.live(gapMs);
    else await h.advance(gapMs);
  }
}

async function connected(answersEcho: boolean): Promise<Harness> {
  const h = createHarness({ keepaliveSeconds: 25 });
  h.peer().answersEcho = answersEcho;
  await h.start();
  await h.connect();
  await h.live(20_000);
  assert.equal(h.entry().phase, 'connected');
  h.forget();
  return h;
}

for (const answersEcho of [true, false]) {
  test(`F77 a store alternates two authentic records of a peer that ${answersEcho ? 'answers' : 'answers no'} echoes: its tunnel is probed once for each, and never written to`, async () => {
    const h = await connected(answersEcho);
    await forAMinute(h, 3_000, (round) =>
      h.peer().publish({ ipv4: `192.0.2.${1 + (round % 2)}:7`, t: T + 100 + (round % 2), n: 5 + (round % 2) }),
    );
    assert.deepEqual(h.only('set', 'renew', 'keepalive'), []);
    assert.equal(h.entry().phase, 'connected');
    assert.ok(h.entry().probes <= 2, `${h.entry().probes} probes`);
    assert.ok(count(h, 'punch') <= 4, `${count(h, 'punch')} punches`);
  });
}

test('F77 a connected peer whose record is another one four times a second: probes and punches of a minute are bounded', async () => {
  const h = await connected(true);
  const before = h.entry().probes;
  await forAMinute(h, 250, (round) => h.peer().publish({ ipv4: `192.0.2.9:${2_000 + round}`, t: T + 100 + round }));
  assert.ok(h.entry().probes - before <= 12, `${h.entry().probes - before} probes`);
  assert.ok(count(h, 'punch') <= 60, `${count(h, 'punch')} punches`);
  assert.ok(count(h, 'kick') <= 36, `${count(h, 'kick')} kicks`);
  assert.ok(count(h, 'get') <= 66, `${count(h, 'get')} reads`);
  assert.deepEqual(h.only('set', 'renew'), []);
});

test('F77 an unconnected peer whose record is another one four times a second: renewals, punches and writes of a minute are bounded', async () => {
  const h = createHarness();
  const pause = () => h.wg.kick('wg0', h.peer().keys.publicKey);
  pause();
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await forAMinute(h, 250, (round) => {
    pause();
    return h.peer().publish({ ipv4: `192.0.2.9:${2_000 + round}`, t: T + 1 + round });
  });
  assert.ok(count(h, 'renew') <= 12, `${count(h, 'renew')} renewals`);
  assert.ok(count(h, 'punch') <= 60, `${count(h, 'punch')} punches`);
  assert.ok(count(h, 'set') <= 21, `${count(h, 'set')} endpoints set`);
});

test('F77 F18b records that were seen before, or are older than the one that proved itself, allow no further renewals', async () => {
  const h = createHarness({
    state: { version: 1, n: 0, peers: { [createHarness().peer().keys.publicKey]: { floor: T } } },
  });
  h.wg.kick('wg0', h.peer().keys.publicKey);
  await h.peer().publish({ ipv4: farEndpoint(0), t: T });
  await h.start();
  await h.advance(30_000);
  assert.ok(count(h, 'renew') <= 3);
  h.forget();
  await forAMinute(h, 5_000, (round) => {
    h.wg.kick('wg0', h.peer().keys.publicKey);
    return h.peer().publish({ ipv4: `192.0.2.${1 + (round % 3)}:7`, t: T - 1 - (round % 3) });
  });
  assert.equal(count(h, 'renew'), 0);
});

test('F77 our mapping is another one at every look: what is written for one peer in a minute is bounded', async () => {
  const h = createHarness();
  await h.start();
  await forAMinute(h, 1_000, async (round) => {
    h.mappings.set(4, `203.0.113.9:${40_001 + round}`);
    void h.session.refresh();
  });
  assert.ok(count(h, 'publish') <= 24, `${count(h, 'publish')} records written`);
  await h.advance(10_000);
  assert.equal(h.peer().ourRecord()?.ipv4?.port, 40_060, 'the last one is written all the same');
});
