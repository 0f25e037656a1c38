import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '@stunmesh/core/api';
import { createFakeClock, settle } from '@stunmesh/core/testing';
import { type Connection, createLink } from '#src/link.js';
import { failing, free } from './lab/store.js';

const refused = () => new StunmeshError('ERR_STORE_UNAVAILABLE', 'nobody listens');

/** A link to a server that exists in this test alone. */
function scene() {
  const clock = createFakeClock();
  const seen = { up: 0, down: [] as string[], attempts: [] as number[], open: 0 };
  let server: 'up' | 'down' | 'silent' = 'up';
  let lose: () => void = () => {};
  const link = createLink<number>({
    clock,
    async open(signal, attempt): Promise<Connection<number>> {
      seen.attempts.push(clock.now());
      if (server === 'down') throw refused();
      if (server === 'silent') await clock.sleep(3_600_000, signal);
      seen.open += 1;
      let end: () => void = () => {};
      const ended = new Promise<undefined>((resolve) => {
        end = () => {
          seen.open -= 1;
          end = () => {};
          resolve(undefined);
        };
      });
      lose = () => end();
      return {
        client: attempt,
        ended,
        close: async () => end(),
      };
    },
    onUp: () => {
      seen.up += 1;
    },
    onDown: (error) => seen.down.push(error.message),
    lost: () => new StunmeshError('ERR_STORE_UNAVAILABLE', 'lost'),
    unanswered: () => new StunmeshError('ERR_STORE_UNAVAILABLE', 'no answer'),
  });
  return {
    clock,
    link,
    seen,
    become: (state: typeof server) => {
      server = state;
    },
    lose: () => lose(),
  };
}

test('F32 nothing is connected before the first call', async () => {
  const { clock, link, seen } = scene();
  await clock.advance(3_600_000);
  assert.deepEqual(seen.attempts, []);
  assert.equal(await link.ready(free.signal), 0);
  await link[Symbol.asyncDispose]();
  assert.equal(seen.open, 0);
});

test('down for an hour: tried again for ever, every ten seconds at most, and back within ten seconds', async () => {
  const { clock, link, seen, become } = scene();
  become('down');
  await assert.rejects(link.ready(free.signal), failing('ERR_STORE_UNAVAILABLE', 'nobody listens'));
  await clock.advance(3_600_000);
  const pauses = seen.attempts.slice(1).map((at, index) => at - (seen.attempts[index] ?? 0));
  assert.ok(
    pauses.every((ms) => ms >= 80 && ms <= 10_000),
    String(pauses.slice(0, 12)),
  );
  assert.ok(pauses.length > 360 && pauses.length < 460, `${pauses.length} attempts in an hour`);
  assert.ok((pauses[0] ?? 0) <= 100 && pauses.slice(8).every((ms) => ms >= 8_000), String(pauses.slice(0, 12)));
  await assert.rejects(link.ready(free.signal), (error: StunmeshError) => {
    assert.ok(error.retryAfterMs !== undefined && error.retryAfterMs > 0 && error.retryAfterMs <= 10_000);
    return true;
  });
  become('up');
  await clock.advance(10_000);
  await link.ready(free.signal);
  assert.equal(seen.up, 1);
  await link[Symbol.asyncDispose]();
  assert.deepEqual([seen.open, clock.pending], [0, 0]);
});

test('a connection that stood is replaced at once, one that is lost again and again ever more slowly', async () => {
  const { clock, link, seen, lose } = scene();
  await link.ready(free.signal);
  await clock.advance(60_000);
  lose();
  await settle();
  assert.equal(await link.ready(free.signal), 1, 'whoever calls now waits for the next one');
  assert.equal(seen.attempts[1], seen.attempts[0] === undefined ? 0 : seen.attempts[0] + 60_000);
  for (let round = 0; round < 10; round += 1) {
    lose();
    await clock.advance(10_000 * 0.1 * (round + 1));
  }
  assert.ok(seen.attempts.length < 12, `${seen.attempts.length} attempts`);
  assert.equal(seen.down.filter((text) => text === 'lost').length, seen.down.length);
  await link[Symbol.asyncDispose]();
});

test('an attempt that nobody answers is over after five seconds', async () => {
  const { clock, link, become } = scene();
  become('silent');
  const call = link.ready(free.signal).catch((error: unknown) => error);
  await clock.advance(4_999);
  await clock.advance(1);
  failing('ERR_STORE_UNAVAILABLE', 'no answer')((await call) as StunmeshError);
  await link[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

test('waiting ends with the caller’s signal, and with the link', async () => {
  const { clock, link, become } = scene();
  become('silent');
  const mine = new AbortController();
  const first = link.ready(mine.signal);
  const second = link.ready(free.signal).catch((error: unknown) => error);
  mine.abort(new Error('given up'));
  await assert.rejects(first, /given up/);
  await link[Symbol.asyncDispose]();
  failing('ERR_CLOSED')((await second) as StunmeshError);
  await assert.rejects(link.ready(free.signal), failing('ERR_CLOSED'));
  assert.equal(clock.pending, 0);
});

test('a dropped client is closed and replaced; dropping another one does nothing', async () => {
  const { clock, link, seen } = scene();
  const client = await link.ready(free.signal);
  link.drop(client + 1);
  await settle();
  assert.equal(seen.attempts.length, 1);
  link.drop(client);
  assert.equal(link.current, undefined);
  const next = link.ready(free.signal);
  await clock.advance(200);
  assert.equal(await next, 1);
  assert.equal(seen.open, 1);
  await link[Symbol.asyncDispose]();
});
