/** What a session plugin does beyond single calls: many requests in one process, in any order of answers, until its input ends. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.js';
import { type ExecBench, manyAnswersByKey } from './exec-bench.js';
import { badEnd, clock, expectFailure, expectSuccess, expectValueOf, type Talk, withTalk } from './exec-talk.js';
import { randomHex } from './store-checks.js';

/** How many requests are in flight at once. */
const AT_ONCE = 50;
/** How long nothing unasked may come, in milliseconds. */
const SILENCE_MS = 150;
/** A pause within a line, so that it arrives in two reads, in milliseconds. */
const PAUSE_MS = 30;

type Result = { readonly skipped: string } | undefined;

export function execSessionCases(bench: ExecBench): ConformanceCase[] {
  const { probe, timeoutMs, newKey } = bench;

  const one = (name: string, run: (talk: Talk) => Promise<Result>): ConformanceCase => ({
    name: `a session: ${name}`,
    async run() {
      if (!(await bench.traits()).session) return { skipped: 'the plugin serves no sessions' };
      return withTalk(probe, timeoutMs, run);
    },
  });
  const another = <T>(run: (talk: Talk) => Promise<T>): Promise<T> => withTalk(probe, timeoutMs, run);
  const set = async (talk: Talk, key: string, value: string) =>
    expectSuccess(await talk.ask({ action: 'set', key, value }), 'set');
  const get = (talk: Talk, key: string) => talk.ask({ action: 'get', key });

  return [
    one('it describes itself as a single call does, and stays', async (talk) => {
      const answer = expectSuccess(await talk.ask({ action: 'describe' }), 'describe');
      assert.equal(answer['protocol'], 1, 'describe must answer "protocol": 1');
      assert.equal((answer['traits'] as { session?: unknown } | undefined)?.session, true, '"session" must be true');
      expectValueOf(await get(talk, randomHex(40)), undefined, 'get of an absent key');
      return undefined;
    }),

    one(`${AT_ONCE} requests at once are answered once each, by their ids`, async (talk) => {
      const [key, value] = [newKey(), randomHex(150)];
      await set(talk, key, value);
      const ids = Array.from({ length: AT_ONCE }, (_, n) =>
        talk.send({ action: 'get', key: n % 2 ? key : randomHex(40) }),
      );
      for (const [n, id] of ids.entries()) expectValueOf(await talk.answer(id), n % 2 ? value : undefined, 'get');
      assert.deepEqual(await talk.listen(SILENCE_MS), [], 'an event came that nobody asked for');
      return undefined;
    }),

    one('requests on one key keep their order', async (talk) => {
      const key = newKey();
      const values = Array.from({ length: 10 }, () => randomHex(136));
      const ids = values.map(
        (value) => [talk.send({ action: 'set', key, value }), talk.send({ action: 'get', key })] as const,
      );
      for (const [n, [first, second]] of ids.entries()) {
        expectSuccess(await talk.answer(first), 'set');
        expectValueOf(await talk.answer(second), values[n], 'get right after set');
      }
      return undefined;
    }),

    one('a request that arrives in pieces is one request', async (talk) => {
      const [key, value] = [newKey(), randomHex(250)];
      // It has to be there before the first piece is.
      await talk.ask({ action: 'describe' });
      const text = `${JSON.stringify({ protocol: 1, id: 2, action: 'set', key, value })}\n`;
      talk.expect(2);
      talk.raw(text.slice(0, 70));
      await clock.sleep(PAUSE_MS);
      talk.raw(text.slice(70));
      expectSuccess(await talk.answer(2), 'set');
      expectValueOf(await get(talk, key), value, 'get');
      return undefined;
    }),

    one('unknown members and an unknown action do not end it', async (talk) => {
      const [key, value] = [newKey(), randomHex(136)];
      const more = { later: { than: ['now', 1, null] } };
      expectSuccess(await talk.ask({ more, action: 'set', key, value, ...more }), 'set');
      expectFailure(await talk.ask({ action: 'noSuchAction', key, value: randomHex(136) }), 'an unknown action');
      expectValueOf(await talk.ask({ ...more, action: 'get', key, more }), value, 'get after an unknown action');
      return undefined;
    }),

    one('when its input ends it answers what it was asked, and exits with status 0', async (talk) => {
      const [key, value] = [newKey(), randomHex(136)];
      await set(talk, key, value);
      const ids = Array.from({ length: 8 }, () => talk.send({ action: 'get', key }));
      const end = badEnd(await talk.finish());
      assert.equal(end, undefined, `after the end of its input ${end}`);
      for (const id of ids) expectValueOf(await talk.answer(id), value, 'get');
      return undefined;
    }),

    one('two sessions at once see the same records', async (talk) => {
      const [key, value, later] = [newKey(), randomHex(136), randomHex(120)];
      await set(talk, key, value);
      await another(async (second) => {
        expectValueOf(await get(second, key), value, 'get in the other session');
        await set(second, key, later);
      });
      expectValueOf(await get(talk, key), later, 'get of what the other session set');
      return undefined;
    }),

    one('what it has answered survives when it is killed', async (talk) => {
      const records = Array.from({ length: 4 }, () => [newKey(), randomHex(136)] as const);
      for (const [key, value] of records) await set(talk, key, value);
      await talk.kill();
      await another(async (second) => {
        for (const [key, value] of records) expectValueOf(await get(second, key), value, 'get after a kill');
      });
      return undefined;
    }),

    one('getMany of 1,000 keys and setMany answer by key', async (talk) => {
      if (!(await bench.traits()).many) return { skipped: 'the plugin has no getMany and setMany' };
      await manyAnswersByKey(bench, (request) => talk.ask(request));
      return undefined;
    }),

    one('watch tells what another session changed, and an empty list ends it', async (talk) => {
      if (!(await bench.traits()).watch) return { skipped: 'the plugin cannot watch' };
      const [key, other] = [newKey(), newKey()];
      expectSuccess(await talk.ask({ action: 'watch', keys: [key] }), 'watch');
      return another(async (second) => {
        for (let round = 0; round < 3; round += 1) {
          await set(second, other, randomHex(136));
          await set(second, key, randomHex(136));
          assert.equal((await talk.event('change'))['key'], key, 'news of a key that nobody asked for');
          await talk.listen(SILENCE_MS);
        }
        expectSuccess(await talk.ask({ action: 'watch', keys: [] }), 'watch of nothing');
        await talk.listen(SILENCE_MS);
        await set(second, key, randomHex(136));
        assert.deepEqual(await talk.listen(SILENCE_MS), [], 'an event came though the last "watch" had no keys');
        return undefined;
      });
    }),
  ];
}
