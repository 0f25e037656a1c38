import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, isStunmeshError, StunmeshError } from '@stunmesh/core/api';
import { createFakeClock, createMemoryLogger } from '@stunmesh/core/testing';
import type { Session } from '#src/session.js';
import { createSupervisor } from '#src/supervisor.js';

const free = () => new AbortController().signal;

/** A supervisor over sessions that die when the test says so. */
function bench(options: { wanted?: boolean; random?: number } = {}) {
  const clock = createFakeClock();
  const opened: { die(): void; closed: boolean }[] = [];
  const failing = { next: 0, with: new StunmeshError('ERR_EXEC_FAILED', 'exited with status 3') };
  const died: StunmeshError[] = [];
  const supervisor = createSupervisor({
    clock,
    logger: createMemoryLogger(),
    random: () => options.random ?? 0,
    wanted: () => options.wanted ?? false,
    began: () => {},
    died: (error) => void died.push(error),
    async open() {
      if (failing.next > 0) {
        failing.next -= 1;
        throw failing.with;
      }
      let die: () => void = () => {};
      const over = new Promise<StunmeshError>((resolve) => {
        die = () => resolve(new StunmeshError('ERR_EXEC_FAILED', 'was ended by SIGKILL'));
      });
      const one = { die, closed: false };
      opened.push(one);
      const session: Session = {
        description: { traits: {}, session: true, watch: true, delete: false, many: false },
        ask: async () => ({}),
        over,
        async close() {
          one.closed = true;
          die();
        },
      };
      return session;
    },
  });
  const die = async () => {
    opened.at(-1)?.die();
    await clock.advance(0);
  };
  const refusal = async () => {
    const error = await supervisor.session(free()).then(
      () => assert.fail('started'),
      (reason: unknown) => reason,
    );
    assert.ok(isStunmeshError(error));
    return error;
  };
  return { clock, supervisor, opened, failing, died, die, refusal };
}

test('one session serves all; the first restart is at once, the next after 1 s, 2 s, 4 s and at most a minute', async () => {
  const { clock, supervisor, opened, die, refusal } = bench();
  const [a, b] = await Promise.all([supervisor.session(free()), supervisor.session(free())]);
  assert.equal(a, b);
  await die();
  await supervisor.session(free());
  assert.equal(opened.length, 2);
  for (const pause of [1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000]) {
    await die();
    const error = await refusal();
    assert.deepEqual([error.code, error.retryAfterMs], ['ERR_STORE_UNAVAILABLE', pause]);
    assert.match(error.message, /ended by SIGKILL/);
    await clock.advance(pause - 1);
    await refusal();
    await clock.advance(1);
    await supervisor.session(free());
  }
  assert.equal(opened.length, 10);
});

test('a minute of life makes the pauses short again; they are scattered', async () => {
  const { clock, supervisor, die, refusal } = bench({ random: 0.5 });
  for (let n = 0; n < 3; n += 1) {
    await clock.advance(4000);
    await supervisor.session(free());
    await die();
  }
  assert.equal((await refusal()).retryAfterMs, 1800);
  await clock.advance(1800);
  await supervisor.session(free());
  await clock.advance(60_000);
  await die();
  await supervisor.session(free());
});

test('a start that fails counts as a death; one that can never help keeps its code', async () => {
  const { clock, supervisor, failing, refusal, died } = bench();
  failing.next = 2;
  assert.equal((await refusal()).code, 'ERR_EXEC_FAILED');
  assert.equal((await refusal()).code, 'ERR_EXEC_FAILED');
  assert.equal((await refusal()).code, 'ERR_STORE_UNAVAILABLE');
  assert.equal(died.length, 2);
  await clock.advance(1000);
  failing.next = 1;
  failing.with = new StunmeshError('ERR_PLUGIN_INVALID', 'not a plugin');
  await refusal();
  const error = await refusal();
  assert.deepEqual([error.code, error.retry], ['ERR_PLUGIN_INVALID', 'never']);
  await clock.advance(2000);
  await supervisor.session(free());
});

test('while somebody waits for events it is started again by itself', async () => {
  const { clock, supervisor, opened, die, failing } = bench({ wanted: true });
  await supervisor.session(free());
  await die();
  assert.equal(opened.length, 2);
  await die();
  assert.equal(opened.length, 2);
  failing.next = 1;
  await clock.advance(1000);
  assert.equal(opened.length, 2);
  await clock.advance(2000);
  assert.equal(opened.length, 3);
  await supervisor.close();
  await clock.advance(100_000);
  assert.equal(opened.length, 3);
  assert.equal(clock.pending, 0);
});

test('after close it is ERR_CLOSED, and a waiting caller can give up', async () => {
  const { supervisor, opened } = bench();
  await assert.rejects(supervisor.session(AbortSignal.abort(new Error('enough'))), /enough/);
  await supervisor.session(free());
  await supervisor.close();
  assert.equal(opened[0]?.closed, true);
  await assert.rejects(supervisor.session(free()), (error: unknown) => hasCode(error, 'ERR_CLOSED'));
});
