import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { createPluginHost } from '#src/host/plugin-host.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';

const KEY = 'a'.repeat(40);
const free = { signal: new AbortController().signal };

async function schema(name: string) {
  const url = new URL(`../../../store-exec/schema/${name}`, import.meta.url);
  return new Ajv({ strict: false }).compile(JSON.parse(await readFile(url, 'utf8')) as object);
}

test('the requests that an exec plugin gets are those of the published schema', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'exec-schema-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const command = join(folder, 'plugin');
  await writeFile(command, `#!/bin/sh\ncat >${folder}/request\necho '{"success":true}'\n`, { mode: 0o755 });
  const host = createPluginHost({ clock: createSystemClock(), logger: createMemoryLogger() });
  const store = await host.openStore({ name: 'mine', type: 'exec', timeoutMs: 5000, settings: { command } });
  t.after(() => store.close());
  const valid = await schema('exec-0-request.json');
  for (const call of [() => store.get(KEY, free), () => store.set(KEY, 'abcd', free)]) {
    await call();
    const request: unknown = JSON.parse(await readFile(join(folder, 'request'), 'utf8'));
    assert.ok(valid(request), JSON.stringify(valid.errors));
  }
  for (const wrong of [
    {},
    { action: 'get', key: KEY, value: 'ab' },
    { action: 'set', key: KEY },
    { action: 'get', key: 'x' },
  ])
    assert.ok(!valid(wrong), JSON.stringify(wrong));
});

test('the answers of the examples are those of the published schema', async () => {
  const valid = await schema('exec-0-answer.json');
  for (const answer of [
    { success: true },
    { success: true, value: 'ab' },
    { success: true, value: '' },
    { success: true, value: null },
    { success: false, error: 'no' },
    { success: true, further: 1 },
  ])
    assert.ok(valid(answer), JSON.stringify(answer));
  for (const wrong of [{}, { success: 'true' }, { success: true, value: 7 }, [], 'x']) assert.ok(!valid(wrong));
});
