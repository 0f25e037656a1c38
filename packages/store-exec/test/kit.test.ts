import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ConformanceCase, execCases } from '@stunmesh/core/conformance';
import execStore from '#src/index.js';
import { clock, gone, nap, script, VALUE } from './fixture.js';
import { type Mistake, wrongPlugin } from './wrong-plugin.js';

function casesOf(t: TestContext, command: string, protocol: 0 | 1 = 1, timeoutMs = 10_000): readonly ConformanceCase[] {
  const probe = execStore.probe({ type: 'exec', protocol, command }, { clock });
  t.after(() => probe[Symbol.asyncDispose]());
  return execCases({ probe, protocol, timeoutMs });
}

/** Why the case with this name does not hold. */
async function verdict(cases: readonly ConformanceCase[], name: RegExp): Promise<string> {
  const found = cases.filter((each) => name.test(each.name));
  assert.equal(found.length, 1, `${name} names ${found.length} cases`);
  try {
    const result = await found[0]?.run();
    return result ? `skipped: ${result.skipped}` : 'held';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a good plugin passes every case', async (t) => {
  for (const each of casesOf(t, await wrongPlugin(t, {}))) assert.equal(await each.run(), undefined, each.name);
});

const HANG = 'await new Promise(() => setInterval(() => {}, 1000));';
const MISTAKES: readonly (readonly [string, Mistake, RegExp, RegExp])[] = [
  // single calls
  ['no protocol 1', { answer: 'delete a.protocol;' }, /^describe/, /"protocol": 1/],
  ['a flag that is text', { traits: { session: 'yes' } }, /^describe/, /"session" must be true or false/],
  ['a tiny store', { traits: { max_value_bytes: 100 } }, /^describe/, /at least 258/],
  ['watching without a session', { traits: { session: false } }, /^describe/, /"session" must be true/],
  ['a crash', { start: 'process.abort();' }, /^describe/, /ended by SIGABRT/],
  ['an exit status', { end: 'process.exitCode = 3;' }, /^describe/, /exited with status 3/],
  ['silence', { request: 'continue;' }, /^describe/, /it is empty/],
  ['noise before', { start: `fs.writeSync(1, 'ready\\n');` }, /^describe/, /nothing else; it is no JSON/],
  ['noise after', { end: `fs.writeSync(1, 'bye\\n');` }, /^describe/, /nothing else; it is no JSON/],
  ['a list', { request: `fs.writeSync(1, '[]'); continue;` }, /^describe/, /it is a list/],
  ['success as text', { answer: `a.success = 'true';` }, /^describe/, /"success" must be/],
  [
    'huge output',
    { request: `if (request.action === 'get') { fs.writeSync(1, 'x'.repeat(5e6)); continue; }` },
    /call: what was set/,
    /printed more than/,
  ],
  [
    'another value',
    { answer: `if (r.action === 'get') a.value = a.value?.slice(1);` },
    /call: what was set/,
    /not what was set/,
  ],
  [
    'absent as failure',
    { answer: `if (r.action === 'get' && !a.value) { a.success = false; a.code = 'later'; }` },
    /call: an absent key/,
    /reports a failure \(later\)/,
  ],
  [
    'unknown members',
    { request: `if (request.more) { answer(request, { success: false, code: 'internal' }); continue; }` },
    /call: members/,
    /set must succeed/,
  ],
  [
    'an unknown action taken for set',
    { request: `if (!Object.hasOwn(good, request.action)) request.action = 'set';` },
    /call: an action/,
    /"success" must be false/,
  ],
  [
    'a failure without a code',
    { answer: 'if (!a.success) delete a.code;' },
    /call: an action/,
    /"code" must be one of/,
  ],
  [
    'a delete that fails on nothing',
    {
      request: `if (request.action === 'delete' && read(request.key) === undefined) { answer(request, { success: false, code: 'internal', error: 'not there' }); continue; }`,
    },
    /call: a deleted key/,
    /delete of an absent key.*not there/,
  ],
  ['getMany with too much', { answer: `if (a.values) a.values.more = 'ab';` }, /call: getMany/, /and no others/],
  // sessions
  [
    'gone after one answer',
    { end: '', request: `if (!single && request.action !== 'describe') process.exit(0);` },
    /session: it describes/,
    /exited with status 0 before/,
  ],
  ['no ids', { answer: 'if (!single) delete a.id;' }, /session: 50 requests/, /must have the "id"/],
  ['ids as text', { answer: 'if (!single) a.id = String(a.id);' }, /session: 50 requests/, /a number as it was sent/],
  [
    'an answer twice',
    { answer: 'if (!single && a.id === 9) send(a);' },
    /session: 50 requests/,
    /request 9 \(get\) was answered twice/,
  ],
  [
    'answers nobody waits for',
    { answer: 'if (!single && a.id === 9) send({ ...a, id: 99 });' },
    /session: 50 requests/,
    /no request 99/,
  ],
  [
    'debug output',
    { request: `if (!single) fs.writeSync(1, 'got it ${VALUE}\\n');` },
    /session: 50 requests/,
    /it is no JSON/,
  ],
  [
    'events unasked',
    { request: `if (!single && request.id === 9) send({ event: 'change', key: 'x' });` },
    /session: 50 requests/,
    /nobody asked for/,
  ],
  [
    'answers mixed up',
    { answer: `if (!single && r.action === 'get') { globalThis.last ??= a.value; a.value = globalThis.last; }` },
    /session: 50 requests/,
    /no such record|absent, though|not what/,
  ],
  [
    'sets done later',
    {
      request: `if (!single && request.action === 'set') { setTimeout(() => answer(request, good.set(request)), 20); continue; }`,
    },
    /session: requests on one key/,
    /get right after set/,
  ],
  [
    'one line, one read',
    {
      start: `if (!single) process.stdin.prependListener('data', (d) => { if (!String(d).endsWith('\\n')) process.exit(4); });`,
    },
    /session: a request that arrives/,
    /status 4/,
  ],
  [
    'an end by an unknown action',
    { request: `if (!single && !Object.hasOwn(good, request.action)) process.exit(1);` },
    /session: unknown members/,
    /status 1 before/,
  ],
  [
    'no end',
    { end: `if (!single) { ${HANG} }` },
    /session: when its input ends/,
    /its end after the end of its input: not within/,
  ],
  ['a bad end', { end: 'if (!single) process.exitCode = 1;' }, /session: when its input ends/, /exited with status 1/],
  [
    'a store of its own',
    {
      start: `if (!single) { const own = new Map(); good.set = ({ key, value }) => void own.set(key, value); good.get = ({ key }) => ({ value: own.get(key) }); }`,
    },
    /session: two sessions/,
    /absent, though/,
  ],
  [
    'writes that wait for the end',
    { start: `if (!single) { const own = new Map(); good.set = ({ key, value }) => void own.set(key, value); }` },
    /session: what it has answered/,
    /get after a kill/,
  ],
  [
    'news of everything',
    {
      request: `if (!single && request.action === 'watch') { answer(request); setInterval(() => send({ event: 'change', key: '${'0'.repeat(40)}' }), 20); continue; }`,
    },
    /session: watch/,
    /a key that nobody asked for/,
  ],
  [
    'watching for ever',
    { request: `if (request.action === 'watch' && request.keys.length === 0) { answer(request); continue; }` },
    /session: watch/,
    /the last "watch" had no keys/,
  ],
  [
    'deaf',
    { request: `if (request.action === 'watch') { answer(request); continue; }` },
    /session: watch/,
    /the event "change": not within/,
  ],
];

for (const [what, mistake, name, words] of MISTAKES) {
  test(`the kit finds ${what}`, async (t) => {
    const short = /not within/.test(words.source);
    const found = await verdict(casesOf(t, await wrongPlugin(t, mistake), 1, short ? 2_500 : 10_000), name);
    assert.match(found, words);
    assert.ok(!found.includes(VALUE.slice(0, 16)), 'a record stands in the report');
  });
}

test('the kit finds a program that hangs, and one that starts slowly', async (t) => {
  const hung = casesOf(t, await script(t, `#!/bin/sh\nexec sleep ${nap(61)}\n`), 1, 500);
  assert.match(await verdict(hung, /^describe/), /the answer to describe: not within 500 ms/);
  if (process.platform === 'linux') await gone(nap(61));
  const folder = await wrongPlugin(t, { start: `if (single) await pause(1300);` });
  assert.match(await verdict(casesOf(t, folder, 1, 2500), /half of the time limit/), /a get took 1\d\d\d ms of 2500/);
});

test('a program of protocol 0 is tried with nothing but get and set; what follows its answer is ignored', async (t) => {
  const folder = await wrongPlugin(t, {
    request: `if (!['get', 'set'].includes(request.action) || 'protocol' in request || 'id' in request) { fs.writeFileSync(folder + '/seen', line); process.exit(9); }`,
    end: `fs.writeSync(1, 'noise {}');`,
  });
  for (const each of casesOf(t, folder, 0)) assert.equal(await each.run(), undefined, each.name);
  const stubborn = await script(
    t,
    `#!/bin/sh\nread -r line\ncase $line in *later*) exit 7;; esac\necho '{"success":true}'\n`,
  );
  assert.match(await verdict(casesOf(t, stubborn, 0), /members/), /exited with status 7/);
});
