/** A session plugin that floods is cut off and ended, and the process it floods stays quick and small (F76). */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { createMemoryLogger } from '@stunmesh/core/testing';
import { clock, free, KEY, until } from './fixture.js';
import { openSession1, scripted } from './session-fixture.js';

const MIB = 1_048_576;
/** The laboratory's machines are shared; a flood that nobody stops takes seconds and hundreds of MiB. */
const MOST_DELAY_MS = 1000;
const MOST_GROWTH = 60 * MIB;

/** What it writes over and over, in pieces of 64 KiB, and to which descriptor. */
const FLOODS: Readonly<Record<string, { readonly piece: string; readonly to: 1 | 2; readonly says: RegExp }>> = {
  'watch events': {
    piece: `JSON.stringify({ event: 'change', key: '${KEY}', value: 'ab'.repeat(100) }) + '\\n'`,
    to: 1,
    says: /nobody asked for/,
  },
  'events of a kind that nobody knows': { piece: `'{"event":"x"}\\n'`, to: 1, says: /nobody asked for/ },
  'empty lines': { piece: `'\\n'`, to: 1, says: /nobody asked for/ },
  'answers to what was answered already': { piece: `'{"id":1,"success":true}\\n'`, to: 1, says: /nobody asked for/ },
  'lines on stderr': { piece: `'x\\n'`, to: 2, says: /to stderr/ },
  'a line on stderr that never ends': { piece: `'x'`, to: 2, says: /to stderr/ },
};

for (const [name, { piece, to, says }] of Object.entries(FLOODS)) {
  test(`F76 a flood of ${name}: ended, restarted with growing pauses, quick and small meanwhile`, async (t) => {
    // The plugin does not end by SIGTERM, and goes on for as long as anybody reads.
    const { path, folder } = await scripted(
      t,
      `if (action === 'watch') { answer({}); setTimeout(() => { for (;;) flood(); }, 20); }`,
      { session: true, watch: true },
      `import { writeSync } from 'node:fs';
       process.on('SIGTERM', () => {});
       const piece = ${piece};
       const pieces = Buffer.from(piece.repeat(Math.ceil(65536 / piece.length)));
       let at = 0;
       const flood = () => { try { at = (at + writeSync(${to}, pieces, at)) % pieces.length; } catch (error) { if (error.code !== 'EAGAIN') process.exit(3); } };`,
    );
    const logger = createMemoryLogger();
    const store = await openSession1(t, path, logger);
    const before = process.memoryUsage().rss;
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    const begun = clock.now();
    await store.watch?.([KEY], { change() {}, fault() {} }, free);
    const starts = async () => (await readFile(join(folder, 'starts'), 'utf8')).trim().split('\n').length;
    await until(async () => /nobody asked for|to stderr/.test(logger.text()));
    assert.match(logger.text(), says);
    const ms = clock.now() - begun;
    assert.ok(ms < 5000, `ended after ${ms} ms`);
    // Restarted at once, after 1 s, after 2 s: a plugin that floods again has no more than that.
    await clock.sleep(2500);
    assert.ok((await starts()) <= 4, `${await starts()} starts in 2.5 s`);
    delay.disable();
    const [slowest, grown] = [delay.max / 1e6, process.memoryUsage().rss - before];
    t.diagnostic(
      `ended after ${Math.round(ms)} ms, slowest turn ${Math.round(slowest)} ms, ${Math.round(grown / MIB)} MiB more`,
    );
    assert.ok(slowest < MOST_DELAY_MS, `the event loop stood still for ${slowest} ms`);
    assert.ok(grown < MOST_GROWTH, `${grown} bytes more`);
  });
}
