import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createRateLimit } from '#src/stun-server/rate-limit.js';

// The collector, to look at memory in between.
setFlagsFromString('--expose-gc');
globalThis.gc = runInNewContext('gc') as typeof globalThis.gc;

const count = (allow: () => boolean, tries: number) => Array.from({ length: tries }, allow).filter(Boolean).length;

test('F42 one source gets two seconds’ worth at once, then its rate, and does not use up another’s', () => {
  const limit = createRateLimit({ ratePerSecond: 10, mostSources: 100 });
  assert.equal(
    count(() => limit.allow('192.0.2.1', 0), 100),
    20,
  );
  assert.equal(
    count(() => limit.allow('192.0.2.1', 1000), 100),
    10,
  );
  assert.equal(
    count(() => limit.allow('192.0.2.2', 1000), 100),
    20,
  );
  assert.equal(
    count(() => limit.allow('192.0.2.1', 60_000), 100),
    20,
  );
});

test('F42 an IPv6 site is one source, whichever address of its /64 it uses', () => {
  const limit = createRateLimit({ ratePerSecond: 1, mostSources: 100 });
  assert.equal(limit.allow('2001:db8::1', 0), true);
  assert.equal(limit.allow('2001:db8::2', 0), true);
  assert.equal(limit.allow('2001:db8::3', 0), false);
  assert.equal(limit.allow('2001:db8:0:1::3', 0), true);
});

test('F42 the table stays within its bounds, and forgets who was not seen for longest', () => {
  const limit = createRateLimit({ ratePerSecond: 1, mostSources: 3 });
  count(() => limit.allow('192.0.2.1', 0), 5);
  limit.allow('192.0.2.2', 0);
  limit.allow('192.0.2.3', 0);
  limit.allow('192.0.2.1', 0);
  limit.allow('192.0.2.4', 0);
  assert.equal(limit.size, 3);
  assert.equal(limit.allow('192.0.2.1', 0), false);
  for (let i = 0; i < 1000; i += 1) limit.allow(`10.0.${i >> 8}.${i & 255}`, 0);
  assert.equal(limit.size, 3);
});

test('F42 a hundred thousand forged sources more take no more memory, and all together get no more than the total', () => {
  const limit = createRateLimit({ ratePerSecond: 50, totalPerSecond: 5_000, mostSources: 50_000 });
  const address = (i: number) => `${11 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.1`;
  let allowed = 0;
  const flood = (from: number, to: number) => {
    // A millisecond for each hundred: a hundred thousand packets a second.
    for (let i = from; i < to; i += 1) if (limit.allow(address(i), Math.floor(i / 100))) allowed += 1;
  };
  const used = () => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const before = used();
  flood(0, 100_000);
  const full = used() - before;
  flood(100_000, 200_000);
  const after = used() - before;
  assert.equal(limit.size, 50_000);
  assert.ok(full < 20_000_000, `${full} bytes for 100,000 sources`);
  assert.ok(after < full * 1.25, `${after} bytes after 100,000 more, ${full} before`);
  // Two seconds' worth at once, and two seconds at the rate.
  assert.ok(allowed <= 10_000 + 2 * 5_000 + 1, `${allowed} answers`);
  assert.ok(allowed >= 10_000);
});

test('F42 when the total is used up nobody is answered, and it comes back with time', () => {
  const limit = createRateLimit({ ratePerSecond: 50, totalPerSecond: 5, mostSources: 100 });
  assert.equal(
    count(() => limit.allow('192.0.2.1', 0), 100),
    10,
  );
  assert.equal(limit.allow('192.0.2.2', 0), false);
  assert.equal(limit.allow('192.0.2.2', 1_000), true);
});
