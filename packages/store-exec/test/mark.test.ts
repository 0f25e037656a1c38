/** The mark of a tunnel that takes over the default way reaches the program, and is said once. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createMemoryLogger } from '@stunmesh/core/testing';
import execStore from '#src/index.js';
import { clock, free, KEY, scratch, script } from './fixture.js';

test('STUNMESH_FWMARK is the mark as it is at each start, as wg shows it; without one it is absent; it is said once', async (t) => {
  const seen = join(await scratch(t), 'seen');
  const command = await script(
    t,
    `#!/bin/sh\ncat > /dev/null\necho "\${STUNMESH_FWMARK-none}" >> ${seen}\necho '{"success":true,"value":"ab"}'\n`,
  );
  const logger = createMemoryLogger();
  let mark = 0;
  const store = await execStore.open({ type: 'exec', command }, { clock, logger, firewallMark: () => mark });
  t.after(() => store[Symbol.asyncDispose]());
  await store.get(KEY, free);
  assert.equal(logger.text(), '');
  mark = 51_820;
  for (let i = 0; i < 3; i += 1) await store.get(KEY, free);
  mark = 0;
  await store.get(KEY, free);
  assert.deepEqual((await readFile(seen, 'utf8')).trim().split('\n'), ['none', '0xca6c', '0xca6c', '0xca6c', 'none']);
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 1);
  assert.match(logger.text(), /STUNMESH_FWMARK.*0xca6c/);

  const own = await execStore.open(
    { type: 'exec', command, env: { STUNMESH_FWMARK: 'mine' }, env_clear: true },
    { clock, logger: createMemoryLogger(), firewallMark: () => 7 },
  );
  t.after(() => own[Symbol.asyncDispose]());
  await own.get(KEY, free);
  assert.match(await readFile(seen, 'utf8'), /mine\n$/);
});

test('a session gets the mark too', async (t) => {
  const command = await script(
    t,
    `#!${process.execPath}
const answer = (id, more) => process.stdout.write(JSON.stringify({ protocol: 1, id, success: true, ...more }) + '\\n');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, action } = JSON.parse(line);
  const mark = (process.env.STUNMESH_FWMARK ?? 'none').replace('0x', '');
  if (action === 'describe') answer(id, { traits: { session: true } });
  else answer(id, { value: mark });
});
`,
    'plugin.cjs',
  );
  const store = await execStore.open(
    { type: 'exec', command, protocol: 1 },
    { clock, logger: createMemoryLogger(), firewallMark: () => 0xbeef },
  );
  t.after(() => store[Symbol.asyncDispose]());
  assert.equal(await store.get(KEY, free), 'beef');
});
