import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRateLimit } from '#src/stun-server/rate-limit.js';

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
