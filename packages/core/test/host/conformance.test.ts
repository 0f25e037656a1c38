import { test } from 'node:test';
import { storeCases } from '#src/conformance/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { guardStore } from '#src/store/guarded-store.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';
import { createMemoryStore } from '#src/testing/memory-store.js';

const records = new Map<string, string>();
const watchers: Parameters<typeof createMemoryStore>[1] = new Set();
const traits = { maxValueBytes: 65_536, minPollMs: 500 };
const open = async () => createMemoryStore(records, watchers);
const clock = createSystemClock();
const logger = createMemoryLogger();

const bare = storeCases({ open, openWith: open, traits });
const guarded = storeCases({
  open: async () => guardStore({ name: 'memory', store: await open(), traits, timeoutMs: 10_000, clock, logger }),
  traits,
});

for (const [label, cases] of [
  ['memory store', bare],
  ['guarded memory store', guarded],
] as const) {
  for (const { name, run } of cases) {
    test(`${label}: ${name}`, async (t) => {
      const result = await run();
      if (result) t.diagnostic(`does not apply: ${result.skipped}`);
    });
  }
}
