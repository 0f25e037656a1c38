/** What an exec plugin does, seen as its process: protocol 0, protocol 1, and sessions (PROTOCOL.md of store-exec). */
import assert from 'node:assert/strict';
import type { ConformanceCase } from './case.js';
import { type ExecBench, type ExecTraits, manyAnswersByKey } from './exec-bench.js';
import { execSessionCases } from './exec-session.js';
import {
  badEnd,
  clock,
  type ExecMessage,
  type ExecProbe,
  expectFailure,
  expectSuccess,
  expectValueOf,
  inTime,
  readObject,
} from './exec-talk.js';
import { randomHex } from './store-checks.js';

export type { ExecTraits } from './exec-bench.js';
export type { ExecExit, ExecMessage, ExecProbe, ExecRun, ExecSession } from './exec-talk.js';

export interface ExecHarness {
  readonly probe: ExecProbe;
  /** What the configuration says that it speaks; a program of protocol 0 gets nothing of protocol 1. */
  readonly protocol: 0 | 1;
  /** How many calls the host makes at a time; absent: eight. A program that is called one at a time need not bear more. */
  readonly parallel?: number;
  /** The time limit of one call, in milliseconds. */
  readonly timeoutMs: number;
  /** The keys that are written to, at least eight, used again and again; absent: a new random one each time. */
  readonly keys?: readonly string[];
}

type Result = { readonly skipped: string } | undefined;

/** A call on a process of its own, which must end well: status 0, and one JSON object on stdout. */
async function callOnce({ probe, timeoutMs }: ExecBench, request: ExecMessage, protocol: 0 | 1): Promise<ExecMessage> {
  const what = `the answer to ${String(request['action'])}`;
  const input = `${JSON.stringify(protocol === 1 ? { protocol: 1, id: 1, ...request } : request)}\n`;
  const run = await inTime(what, timeoutMs, (signal) => probe.run(input, signal));
  const end = badEnd(run);
  // Protocol 0 lets a plugin fail by its exit status too.
  if (end !== undefined && (protocol === 1 || !/"success"\s*:\s*false/i.test(run.stdout)))
    assert.fail(`${what}: ${end}`);
  assert.ok(run.stdout.length <= 65_536 + 1024 * 1000, `${what}: it printed ${run.stdout.length} bytes`);
  return readObject(protocol === 0 ? firstObject(run.stdout) : run.stdout, 'stdout');
}

/** The part of the output that counts in protocol 0: what follows the first object is ignored. */
function firstObject(text: string): string {
  let end = text.indexOf('}');
  for (let tries = 0; end >= 0 && tries < 100; tries += 1) {
    const part = text.slice(0, end + 1);
    try {
      JSON.parse(part);
      return part;
    } catch {
      end = text.indexOf('}', end + 1);
    }
  }
  return text;
}

/** What describe says, checked. Rejects with AssertionErrors. */
export async function execTraits(probe: ExecProbe, timeoutMs: number): Promise<ExecTraits> {
  const bench = { probe, timeoutMs, newKey: () => '', traits: () => assert.fail() };
  const answer = expectSuccess(await callOnce(bench, { action: 'describe' }, 1), 'describe');
  assert.equal(answer['protocol'], 1, 'describe must answer "protocol": 1');
  const traits = (answer['traits'] ?? {}) as ExecMessage;
  assert.equal(typeof traits, 'object', '"traits" must be an object');
  for (const name of ['max_value_bytes', 'max_long_value', 'min_poll_ms', 'expires_after_ms']) {
    const value = traits[name] ?? 1;
    assert.ok(typeof value === 'number' && value >= 0, `the trait "${name}" must be a number, not negative`);
  }
  const most = Number(traits['max_value_bytes'] ?? 32_768);
  assert.ok(most >= 258, `"max_value_bytes" is ${most}; a plugin keeps at least 258 characters`);
  const flag = (name: string): boolean => {
    const value = traits[name] ?? false;
    assert.ok(typeof value === 'boolean', `the trait "${name}" must be true or false`);
    return value;
  };
  const flags = { session: flag('session'), watch: flag('watch'), delete: flag('delete'), many: flag('many') };
  assert.ok(flags.session || !flags.watch, 'a plugin that watches serves sessions: "session" must be true');
  return flags;
}

/** The cases, in an order in which the first failure tells most. */
export function execCases(harness: ExecHarness): ConformanceCase[] {
  const { probe, protocol, timeoutMs } = harness;
  let used = 0;
  let described: Promise<ExecTraits> | undefined;
  const bench: ExecBench = {
    probe,
    timeoutMs,
    newKey() {
      used += 1;
      return harness.keys?.[used % harness.keys.length] ?? randomHex(40);
    },
    traits: () => {
      described ??= execTraits(probe, timeoutMs);
      return described;
    },
  };
  const call = (request: ExecMessage) => callOnce(bench, request, protocol);
  const set = async (key: string, value: string): Promise<void> => {
    assert.equal((await call({ action: 'set', key, value }))['success'], true, 'set must succeed');
  };
  const one = (name: string, run: () => Promise<Result>): ConformanceCase => ({ name: `a call: ${name}`, run });

  const both = [
    one('what was set is answered by another process, as one JSON object and status 0', async () => {
      const [key, value] = [bench.newKey(), randomHex(250)];
      await set(key, value);
      expectValueOf(await call({ action: 'get', key }), value, 'get');
      return undefined;
    }),
    one('members that it does not know are ignored', async () => {
      const [key, value] = [bench.newKey(), randomHex(136)];
      const more = { later: { than: ['now', 1, null] }, deadline_ms: 5000 };
      assert.equal((await call({ more, action: 'set', key, value, ...more }))['success'], true, 'set must succeed');
      expectValueOf(await call({ ...more, action: 'get', key, more }), value, 'get');
      return undefined;
    }),
    one('it leaves half of the time limit unused', async () => {
      const key = bench.newKey();
      await set(key, randomHex(136));
      const begun = clock.now();
      await call({ action: 'get', key });
      const ms = clock.now() - begun;
      assert.ok(
        ms * 2 < timeoutMs,
        `a get took ${Math.round(ms)} ms of ${timeoutMs}; start faster, or raise the timeout`,
      );
      return undefined;
    }),
    one('eight processes at once do not disturb each other', async () => {
      if ((harness.parallel ?? 8) === 1) return { skipped: 'it is called one at a time; parallel: N allows more' };
      const records = Array.from({ length: 8 }, () => [bench.newKey(), randomHex(150)] as const);
      await Promise.all(records.map(([key, value]) => set(key, value)));
      const found = await Promise.all(records.map(([key]) => call({ action: 'get', key })));
      for (const [n, [, value]] of records.entries()) expectValueOf(found[n] ?? {}, value, 'get');
      return undefined;
    }),
  ];
  if (protocol === 0) return both;
  return [
    {
      name: 'describe names protocol 1 and what the plugin can do',
      async run() {
        await bench.traits();
        return undefined;
      },
    },
    ...both,
    one('an absent key is a success without a value (F33)', async () => {
      expectValueOf(await call({ action: 'get', key: randomHex(40) }), undefined, 'get of an absent key');
      return undefined;
    }),
    one('an action that it does not know is refused with a code, and changes nothing', async () => {
      const [key, value] = [bench.newKey(), randomHex(136)];
      await set(key, value);
      expectFailure(await call({ action: 'noSuchAction', key, value: randomHex(136) }), 'an unknown action');
      expectValueOf(await call({ action: 'get', key }), value, 'get after an unknown action');
      return undefined;
    }),
    one('a deleted key is absent, and deleting it again is no failure', async () => {
      if (!(await bench.traits()).delete) return { skipped: 'the plugin has no delete' };
      const key = bench.newKey();
      await set(key, randomHex(136));
      for (const what of ['delete', 'delete of an absent key'])
        expectSuccess(await call({ action: 'delete', key }), what);
      expectValueOf(await call({ action: 'get', key }), undefined, 'get of a deleted key');
      return undefined;
    }),
    one('getMany of 1,000 keys and setMany answer by key', async () => {
      if (!(await bench.traits()).many) return { skipped: 'the plugin has no getMany and setMany' };
      await manyAnswersByKey(bench, call);
      return undefined;
    }),
    ...execSessionCases(bench),
  ];
}
