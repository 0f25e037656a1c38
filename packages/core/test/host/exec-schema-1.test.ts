import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';
import { createPluginHost } from '#src/host/plugin-host.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';

const PACKAGE = new URL('../../../store-exec/', import.meta.url);
const KEY = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const free = { signal: new AbortController().signal };

const schema = async (name: string): Promise<ValidateFunction> =>
  new Ajv({ strict: false }).compile(
    JSON.parse(await readFile(new URL(`schema/exec-1-${name}.json`, PACKAGE), 'utf8')) as object,
  );
const [request, answer, event] = await Promise.all(['request', 'answer', 'event'].map(schema));
assert.ok(request && answer && event);

/** A message is what it looks like. */
function expectValid(line: string, message = JSON.parse(line) as Record<string, unknown>): void {
  const valid = 'action' in message ? request : 'event' in message ? event : answer;
  assert.ok(valid?.(message), `${line.slice(0, 200)}: ${JSON.stringify(valid?.errors)}`);
}

test('every message in PROTOCOL.md is one of the published schemas', async () => {
  const page = await readFile(new URL('PROTOCOL.md', PACKAGE), 'utf8');
  const section = page.slice(page.indexOf('## Exec protocol 1'), page.indexOf('## Shell protocol'));
  const lines = [...section.matchAll(/^ {4}(\{.*\})$/gm)].map((match) => match[1] ?? '');
  assert.ok(lines.length >= 16, `${lines.length} messages`);
  for (const line of lines) expectValid(line);
  const actions = lines.flatMap((line) => (JSON.parse(line) as { action?: string }).action ?? []);
  assert.deepEqual(actions, ['describe', 'get', 'set', 'delete', 'getMany', 'setMany', 'watch']);
});

test('the schemas refuse what the protocol does not allow', () => {
  const ask = { protocol: 1, id: 1 };
  for (const wrong of [
    { ...ask, action: 'get' },
    { ...ask, action: 'get', key: 'A'.repeat(40) },
    { ...ask, action: 'set', key: KEY },
    { ...ask, action: 'get', key: KEY, value: 'ab' },
    { ...ask, action: 'getMany', key: KEY },
    { ...ask, action: 'setMany', values: { x: 'ab' } },
    { ...ask, action: 'describe', keys: [KEY] },
    { ...ask, action: 'drop' },
    { action: 'get', key: KEY },
    { ...ask, id: '1', action: 'describe' },
  ])
    assert.ok(!request(wrong), JSON.stringify(wrong));
  for (const wrong of [
    {},
    { success: 'true' },
    { success: true, value: 7 },
    { success: false, code: 'eventually' },
    { success: false, retry_after_ms: -1 },
    { success: true, errors: { [KEY]: 'no' } },
    { success: true, traits: { max_value_bytes: 100 } },
    { success: true, event: 'change' },
  ])
    assert.ok(!answer(wrong), JSON.stringify(wrong));
  for (const wrong of [{}, { event: 'change' }, { event: '' }, { event: 'change', key: KEY, id: 1 }])
    assert.ok(!event(wrong), JSON.stringify(wrong));
});

/** Runs an example between two tee(1), and gives what it was told and what it said. */
async function overhear(t: TestContext, example: string): Promise<{ asked: string[]; said: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'exec-schema-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const command = join(folder, 'plugin');
  const program = fileURLToPath(new URL(`examples/${example}`, PACKAGE));
  await writeFile(
    command,
    `#!/bin/sh\ntee -a ${folder}/asked | ${program} ${folder}/records | tee -a ${folder}/said\n`,
    { mode: 0o755 },
  );
  const host = createPluginHost({ clock: createSystemClock(), logger: createMemoryLogger() });
  const settings = { command, protocol: 1 };
  const store = await host.openStore({ name: 'mine', type: 'exec', timeoutMs: 20_000, settings });
  try {
    assert.equal(await store.get(KEY, free), undefined);
    await store.set(KEY, 'abcd', free);
    assert.equal(await store.get(KEY, free), 'abcd');
    assert.equal(
      (
        await store.setMany(
          new Map([
            [KEY, 'abcd'],
            [OTHER, 'ef'],
          ]),
          free,
        )
      ).size,
      0,
    );
    assert.equal((await store.getMany([KEY, OTHER], free)).size, 2);
    let news: () => void = () => {};
    const heard = new Promise<void>((resolve) => {
      news = resolve;
    });
    const watch = await store.watch?.([KEY], { change: () => news(), fault: () => {} }, free);
    await store.set(KEY, 'ffff', free);
    if (example.startsWith('watching')) await heard;
    await watch?.[Symbol.asyncDispose]();
    await store.delete?.(KEY, free);
    await store.describe?.(free);
  } finally {
    await store.close();
  }
  const lines = async (name: string) => (await readFile(join(folder, name), 'utf8')).trim().split('\n');
  return { asked: await lines('asked'), said: await lines('said') };
}

for (const [example, least] of [
  ['folder-store-1.sh', ['describe', 'get', 'set', 'delete']],
  ['folder-store.mjs', ['describe', 'get', 'set', 'delete']],
  ['watching_store.py', ['describe', 'get', 'set', 'delete', 'getMany', 'setMany', 'watch']],
] as const) {
  test(`what ${example} is asked, and what it says, is one of the published schemas`, async (t) => {
    const { asked, said } = await overhear(t, example);
    for (const line of asked) {
      expectValid(line);
      assert.doesNotMatch(line, /\s|\\/, 'a plugin may look for members without a parser');
    }
    for (const line of said) expectValid(line);
    const actions = new Set(asked.map((line) => (JSON.parse(line) as { action: string }).action));
    assert.deepEqual([...actions].sort(), [...least].sort());
    const events = said.filter((line) => line.includes('"event"'));
    assert.equal(said.length - events.length, asked.length, 'each request has one answer');
  });
}
