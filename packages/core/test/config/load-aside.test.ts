/** A reload of a large file leaves the event loop to the tunnels. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasCode } from '#src/api/index.js';
import { loadConfig } from '#src/config/index.js';
import { loadConfigAside } from '#src/config/load-aside.js';
import { createSystemClock } from '#src/testing/index.js';
import { temporaryFolder } from './fixtures.js';

const program = fileURLToPath(import.meta.resolve('#src/cli/main.js'));
const clock = createSystemClock();
const key = (n: number) => Buffer.from(String(n).padStart(32, '0')).toString('base64');

async function fileWith(t: TestContext, count: number, plugin = 'f') {
  const cwd = await temporaryFolder(t);
  const lines = Array.from({ length: count }, (_, n) => `      p${n}: { public_key: "${key(n)}", plugin: ${plugin} }`);
  const head = 'plugins:\n  f: { type: builtin, name: file, path: /x }\ninterfaces:\n  wg0:\n    peers:';
  await writeFile(join(cwd, 'c.yaml'), `${head}\n${lines.join('\n')}\n`);
  return { file: 'c.yaml', env: {}, cwd, platform: 'linux' as const };
}

/** How many threads were started while `work` was under way. */
async function threadsOf<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly threads: number }> {
  let threads = 0;
  const count = (): void => {
    threads += 1;
  };
  process.on('worker', count);
  try {
    const value = await work();
    return { value, threads };
  } finally {
    process.off('worker', count);
  }
}

test('F76 3,000 peers are read by another thread, and the configuration is the same', async (t) => {
  const where = await fileWith(t, 3_000);
  const here = await threadsOf(() => loadConfig(where));
  const aside = await threadsOf(() => loadConfigAside({ ...where, clock, program }));
  assert.deepEqual([here.threads, aside.threads], [0, 1]);
  assert.deepEqual(aside.value.config, here.value.config);
  assert.deepEqual(aside.value.warnings, here.value.warnings);
  assert.equal(aside.value.explain(['plugins', 'f', 'path']), here.value.explain(['plugins', 'f', 'path']));
  const schema = { type: 'object', properties: { path: { type: 'integer' } }, additionalProperties: false };
  const told = (loaded: typeof here.value) => loaded.checkSettings('f', schema).catch((error: Error) => error.message);
  assert.equal(await told(aside.value), await told(here.value));
  assert.match(String(await told(aside.value)), /c\.yaml:2:/);
});

test('what is wrong with a large file is told as ever; a small one, and one without a worker, is read here', async (t) => {
  const wrong = await fileWith(t, 1_000, 'nowhere');
  const here = (await loadConfig(wrong).catch((error: unknown) => error)) as Error;
  const aside = (await loadConfigAside({ ...wrong, clock, program }).catch((error: unknown) => error)) as Error;
  assert.ok(hasCode(aside, 'ERR_CONFIG_INVALID'));
  assert.equal(aside.message, here.message);
  for (const [count, script] of [
    [10, '/nowhere.js'],
    [1_000, '/nowhere.js'],
    [1_000, 'not even a path'],
  ] as const) {
    const where = await fileWith(t, count);
    const { config } = await loadConfigAside({ ...where, clock, program: script });
    assert.equal(config.interfaces.get('wg0')?.peers.size, count);
  }
});
