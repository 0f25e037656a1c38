import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HardNatSearch, type SearchPair } from '#src/paths/search.js';
import { SearchLedger } from '#src/paths/search-ledger.js';
import type { SearchPlan } from '#src/paths/search-plan.js';
import type { SearchSend } from '#src/paths/search-series.js';
import { slotFrom } from '#src/paths/slots.js';
import { createId, createRandom } from './random.js';

const WALL = 1_796_112_000_000;
const E = { family: 4, address: '203.0.113.12', port: 51_820 } as const;
const open = (mappings: number, periodSeconds = 300): SearchPlan => ({
  role: 'open',
  target: E,
  mappings,
  periodSeconds,
});
const probe = (
  ports: Extract<SearchPlan, { role: 'probe' }>['ports'],
  probes: number,
  periodSeconds = 300,
): SearchPlan => ({
  role: 'probe',
  address: '203.0.113.11',
  ports,
  probes,
  periodSeconds,
});
const pair = (plan: SearchPlan, name = 'p', seed = 0): SearchPair => ({ name, seed, plan, addresses: 'a b' });
const create = (seed = 1, ledger = new SearchLedger(WALL / 1_000)) =>
  new HardNatSearch({ ledger, random: createRandom(seed), isFree: () => true, createId });

/** All that a search sends from `from` to `to`, with the times after WALL in milliseconds. */
function sendsOf(search: HardNatSearch, from: number, to: number): (SearchSend & { at: number })[] {
  const sends: (SearchSend & { at: number })[] = [];
  for (let now = from; now < to; ) {
    const step = search.next(WALL + now);
    sends.push(...step.sends.map((send) => ({ ...send, at: now })));
    assert.ok(step.wakeAt > WALL + now, 'time goes on');
    now = Math.max(now + 1, step.wakeAt - WALL);
  }
  return sends;
}

test('H opens from its ports at the start of a slot, again at +20 and +40, low; nothing comes after +60', () => {
  const search = create();
  search.update([pair(open(256))]);
  const sends = sendsOf(search, -100, 299_000);
  assert.equal(sends.length, 3 * 256);
  assert.ok(sends.every(({ low, to }) => low && to === E));
  assert.equal(new Set(sends.map(({ sourcePort }) => sourcePort)).size, 256);
  assert.deepEqual([sends[0]?.at, sends[256]?.at, sends[512]?.at], [0, 20_000, 40_000]);
  assert.ok((sends[255]?.at ?? 0) < 3_000, 'all are open before the first probe');
});

test('E probes from +3 to +50, 50 a second, full, from WireGuard’s port, no port twice', () => {
  const search = create();
  search.update([pair(probe({ kind: 'random' }, 1_024))]);
  const sends = sendsOf(search, -100, 299_000);
  assert.equal(sends.length, 1_024);
  assert.equal(new Set(sends.map(({ to }) => to.port)).size, 1_024);
  assert.ok(sends.every(({ low, sourcePort }) => !low && sourcePort === undefined));
  assert.ok((sends[0]?.at ?? 0) >= 3_000 && (sends.at(-1)?.at ?? 0) <= 50_000);
  for (let second = 3; second < 50; second += 1)
    assert.ok(sends.filter(({ at }) => Math.floor(at / 1_000) === second).length <= 50);
});

interface Outcome {
  readonly hitMs: number | undefined;
  readonly probes: number;
}

/** One series of both hosts: `mapped` says which outer port H's router gives to its n-th mapping. */
function series(hostOpen: SearchPair, hostProbe: SearchPair, seed: number, mapped: (n: number) => number): Outcome {
  const [h, e] = [create(seed), create(seed + 1_000)];
  h.update([hostOpen]);
  e.update([hostProbe]);
  const ports = new Set(sendsOf(h, -100, 3_000).map((_, n) => mapped(n)));
  const probes = sendsOf(e, -100, 60_000);
  const hit = probes.findIndex(({ to }) => ports.has(to.port));
  return { hitMs: probes[hit]?.at, probes: hit < 0 ? probes.length : hit + 1 };
}

test('random ports: 36 of 40 series hit or more, median within 8 s, worst within 50 s', () => {
  const outcomes = Array.from({ length: 200 }, (_, i) => {
    const random = createRandom(7 * i + 3);
    return series(pair(open(256)), pair(probe({ kind: 'random' }, 1_024)), i + 1, () => 1_024 + random(64_512));
  });
  const hits = outcomes.flatMap(({ hitMs }) => hitMs ?? []).sort((a, b) => a - b);
  assert.ok(hits.length >= 200 * 0.95, `${hits.length} of 200`);
  assert.ok((hits[(hits.length / 2) | 0] ?? 0) <= 8_000 && (hits.at(-1) ?? 0) <= 50_000);
});

test('a block of 1,024 takes at most 128 probes, a router that counts at most 64 with foreign flows', () => {
  const block = Array.from({ length: 200 }, (_, i) => {
    const random = createRandom(11 * i + 5);
    const plan = probe({ kind: 'block', last: 40_000, size: 1_024 }, 128, 60);
    return series(pair(open(64, 60)), pair(plan), i + 1, () => 39_936 + random(1_024));
  });
  assert.ok(block.filter(({ hitMs }) => hitMs !== undefined).length >= 198);
  for (const delta of [1, 2, 3, 4]) {
    // Three foreign flows a second during 5 s and the 3 s until the first probe.
    const plan = probe({ kind: 'after', last: 40_000, delta }, 128, 60);
    const { hitMs, probes } = series(pair(open(1, 60)), pair(plan), delta, () => 40_000 + 25 * delta);
    assert.ok(hitMs !== undefined && probes <= 64);
    // A record of ten minutes ago: H opens many in a row, other flows between them.
    const row = (n: number) => 40_000 + (1_700 + n + Math.floor(n / 10)) * delta;
    const late = series(pair(open(64, 60)), pair(plan), delta, row);
    assert.ok(late.hitMs !== undefined && late.probes <= 128, `+${delta}: ${late.probes}`);
  }
});

test('two routers that count meet within 2 s of the slot, with foreign flows on both', () => {
  for (const [foreignA, foreignB] of [
    [0, 0],
    [15, 3],
    [19, 19],
  ] as const) {
    const lasts = { a: 30_000, b: 45_000 };
    const search = (last: number, seed: number) => {
      const one = create(seed);
      one.update([pair({ role: 'both', target: { ...E, port: last + 20 }, mappings: 25, periodSeconds: 60 })]);
      return sendsOf(one, -100, 1_000);
    };
    const [a, b] = [search(lasts.b, 1), search(lasts.a, 2)];
    const mappedA = a.map((_, n) => lasts.a + foreignA + n + 1);
    const mappedB = b.map((_, n) => lasts.b + foreignB + n + 1);
    const [nA, nB] = [mappedA.indexOf(lasts.a + 20), mappedB.indexOf(lasts.b + 20)];
    assert.ok(nA >= 0 && nB >= 0, 'one flow of each has the port that the other one sends to');
    assert.ok(a.concat(b).every(({ low, at }) => !low && at <= 2_000));
  }
});

test('F62 a pair that is connected, switched off or moved is stopped at once, and nothing runs beside a series', () => {
  const search = create();
  const [p, q] = [pair(probe({ kind: 'random' }, 1_024), 'p'), pair(probe({ kind: 'random' }, 1_024), 'q')];
  search.update([p, q]);
  const first = sendsOf(search, -100, 10_000);
  assert.deepEqual(new Set(first.map(({ pair }) => pair)).size, 1, 'one pair at a time');
  search.update([q].filter(({ name }) => name !== first[0]?.pair));
  assert.deepEqual(
    sendsOf(search, 10_000, 60_000).filter(({ pair }) => pair === first[0]?.pair),
    [],
  );
  const moved = create();
  moved.update([p]);
  assert.ok(sendsOf(moved, -100, 10_000).length > 0);
  moved.update([{ ...p, addresses: 'a c' }]);
  assert.deepEqual(sendsOf(moved, 10_000, 290_000), []);
  const hit = create();
  hit.update([p]);
  const sent = sendsOf(hit, -100, 10_000);
  const met = sent.at(-1) ?? assert.fail('nothing was sent');
  assert.equal(hit.onAnswer(met.transactionId, { ...met.to, port: 9 }), undefined, 'F46');
  assert.deepEqual(hit.onAnswer(met.transactionId, met.to), { pair: 'p', endpoint: met.to });
  hit.update([]);
  assert.equal(hit.running, undefined);
  assert.deepEqual(sendsOf(hit, 10_000, 100_000), []);
});

test('F62 whoever comes too late for a slot, or whose clock jumps back, leaves it out', () => {
  const search = create();
  search.update([pair(probe({ kind: 'random' }, 1_024))]);
  assert.deepEqual(search.next(WALL + 2_500).sends, []);
  assert.equal(search.next(WALL + 2_500).wakeAt, WALL + 300_000);
  const jumped = create();
  jumped.update([pair(open(4))]);
  jumped.next(WALL + 10);
  assert.ok(jumped.running);
  jumped.next(WALL - 90_000);
  assert.equal(jumped.running, undefined);
  assert.equal(slotFrom(WALL - 90_000, 0, 300), WALL);
});

test('F46 H asks in return from the port that was found, and its answer tells the way; other ports and strangers count for nothing', () => {
  const search = create();
  search.update([pair(open(4))]);
  const openers = sendsOf(search, -100, 1_000);
  const found = openers[2]?.sourcePort ?? assert.fail('no opener');
  search.onRequest(WALL + 5_000, 'q', E, found);
  search.onRequest(WALL + 5_000, 'p', E, 1);
  assert.deepEqual(search.next(WALL + 5_000).sends, []);
  search.onRequest(WALL + 5_000, 'p', E, found);
  const [asked] = search.next(WALL + 5_000).sends;
  assert.deepEqual([asked?.sourcePort, asked?.low, asked?.to], [found, false, E]);
  assert.equal(search.next(WALL + 5_050).wakeAt, WALL + 5_100, 'again where no answer comes');
  assert.deepEqual(search.onAnswer(asked?.transactionId ?? new Uint8Array(), E), {
    pair: 'p',
    endpoint: E,
    sourcePort: found,
  });
  assert.equal(search.running, undefined);
});

test('an answer that comes after the end of its series still counts', () => {
  const search = create();
  search.update([pair(probe({ kind: 'block', last: 40_000, size: 256 }, 128))]);
  const [first] = sendsOf(search, -100, 61_000);
  assert.ok(first);
  assert.equal(search.running, undefined);
  assert.deepEqual(search.onAnswer(first.transactionId, first.to)?.endpoint, first.to);
  assert.equal(search.onAnswer(first.transactionId, first.to), undefined, 'once');
});
