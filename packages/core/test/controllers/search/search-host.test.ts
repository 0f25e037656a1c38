import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createSearchHost, type SearchDevice, type SearchHostParts } from '#src/controllers/search/search-host.js';
import type { SearchPair } from '#src/paths/search.js';
import type { SearchSend } from '#src/paths/search-series.js';
import { createFakeClock } from '#src/testing/fake-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';
import { createId, createRandom } from '../../paths/random.js';

const PROBE: SearchPair['plan'] = {
  role: 'probe',
  address: '203.0.113.11',
  ports: { kind: 'random' },
  probes: 1_024,
  periodSeconds: 300,
};
const pairOf = (name: string): SearchPair => ({ name, seed: 0, plan: PROBE, addresses: 'a b' });

function createHost(t: { after(end: () => Promise<void>): void }, parts: Partial<SearchHostParts> = {}) {
  const clock = createFakeClock(Date.UTC(2026, 11, 1, 12, 0, 30));
  const logger = createMemoryLogger();
  const stop = new AbortController();
  const disk: { state: unknown; writes: number } = { state: undefined, writes: 0 };
  const host = createSearchHost({
    clock,
    logger,
    signal: stop.signal,
    random: createRandom(7),
    isFree: () => true,
    lock: async () => ({ async [Symbol.asyncDispose]() {} }),
    readLedger: async () => disk.state,
    async writeLedger(state) {
      disk.state = JSON.parse(JSON.stringify(state));
      disk.writes += 1;
    },
    ...parts,
  });
  t.after(async () => {
    stop.abort();
    await host.stop();
  });
  return { clock, logger, disk, host, stop };
}

interface Seen extends SearchDevice {
  wanted: readonly SearchPair[];
  readonly sends: SearchSend[];
  readonly followed: (string | undefined)[];
}

function device(...wanted: SearchPair[]): Seen {
  const seen: Seen = {
    wanted,
    sends: [],
    followed: [],
    pairs: () => seen.wanted,
    createId,
    send: (send) => seen.sends.push(send),
    follow: async (progress) => void seen.followed.push(progress?.pair),
  };
  return seen;
}

test('F60 a host without hard pairs takes no lock, reads no ledger and never wakes', async (t) => {
  let locks = 0;
  const { clock, host, disk } = createHost(t, {
    async lock() {
      locks += 1;
      return { async [Symbol.asyncDispose]() {} };
    },
  });
  host.register(device());
  await clock.advance(600_000);
  assert.equal(locks, 0);
  assert.equal(disk.writes, 0);
  assert.equal(host.search, undefined);
  assert.ok(clock.pending <= 1);
});

test('F60 two devices share one budget: one pair at a time, and the ledger is on disk before the first packet', async (t) => {
  const { clock, host, disk } = createHost(t);
  const [a, b] = [device(pairOf('a')), device(pairOf('b'))];
  let writesAtFirst = 0;
  a.send = (send) => {
    if (a.sends.length === 0) writesAtFirst = disk.writes;
    a.sends.push(send);
  };
  host.register(a);
  host.register(b);
  host.changed();
  await clock.advance(30_000 + 299_000);
  assert.equal(a.sends.length, 1_024);
  assert.equal(b.sends.length, 0, 'the budget of this host is used up');
  assert.ok(writesAtFirst >= 1);
  await clock.advance(600_000);
  assert.equal(b.sends.length, 1_024);
  assert.deepEqual([a.followed.at(0), b.followed.find((one) => one !== undefined)], ['a', 'b']);
});

test('F60 while another daemon of the host holds the lock nothing is sent; its end is noticed', async (t) => {
  let held = true;
  const { clock, host, logger } = createHost(t, {
    async lock() {
      if (held) throw new StunmeshError('ERR_LOCKED', 'another one');
      return { async [Symbol.asyncDispose]() {} };
    },
  });
  const one = device(pairOf('a'));
  host.register(one);
  host.changed();
  await clock.advance(400_000);
  assert.equal(one.sends.length, 0);
  assert.equal(host.isElsewhere, true);
  assert.equal(logger.lines.length, 1, 'said once');
  held = false;
  await clock.advance(400_000);
  assert.equal(one.sends.length, 1_024);
  assert.equal(host.isElsewhere, false);
});

test('F60 what no restart would remember is not sent: a disk that takes no ledger', async (t) => {
  const { clock, host, logger } = createHost(t, {
    writeLedger: async () => Promise.reject(new StunmeshError('ERR_STATE', 'the disk is full')),
  });
  const one = device(pairOf('a'));
  host.register(one);
  host.changed();
  await clock.advance(400_000);
  assert.equal(one.sends.length, 0);
  assert.match(logger.text(), /cannot be written/);
});

test('F60 a ledger that is damaged, or cannot be read, counts as a spent one', async (t) => {
  for (const readLedger of [
    async () => ({ version: 1, probes: 'many' }),
    async () => Promise.reject(new StunmeshError('ERR_STATE', 'the file is a pipe')),
  ]) {
    const { clock, host } = createHost(t, { readLedger });
    const one = device(pairOf('a'));
    const startedAt = clock.now();
    let firstAt: number | undefined;
    one.send = () => {
      firstAt ??= clock.now() - startedAt;
    };
    host.register(one);
    host.changed();
    await clock.advance(400_000);
    // Its slot begins after 270 s, while the budget of five minutes is still used up.
    assert.ok(firstAt !== undefined && firstAt >= 300_000, `${firstAt}`);
  }
});

test('F62 a pair that is connected, or switched off, gets not one packet more', async (t) => {
  const { clock, host } = createHost(t);
  const one = device(pairOf('a'));
  host.register(one);
  host.changed();
  // The slot of five minutes begins after 270 s.
  await clock.advance(285_000);
  const sent = one.sends.length;
  assert.ok(sent > 100 && sent < 1_000, `${sent}`);
  one.wanted = [];
  host.changed();
  await clock.advance(300_000);
  assert.equal(one.sends.length, sent);
  assert.equal(one.followed.at(-1), undefined);
});
