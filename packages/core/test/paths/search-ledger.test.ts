import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HardNatSearch, type SearchPair } from '#src/paths/search.js';
import { type LedgerState, SearchLedger } from '#src/paths/search-ledger.js';
import { createId, createRandom } from './random.js';

const NOW = 1_796_112_000;
const take = (ledger: SearchLedger, from: number, seconds: number) => {
  let sent = 0;
  for (let second = 0; second < seconds; second += 1)
    for (let i = 0; i < 100; i += 1) if (ledger.probe(from + second + i / 100)) sent += 1;
  return sent;
};

test('F60 at most 50 probes a second, 1,024 in any 300 s, 4,096 an hour', () => {
  const ledger = new SearchLedger(NOW);
  assert.equal(take(ledger, NOW, 1), 50);
  assert.equal(take(ledger, NOW + 1, 299), 974);
  assert.equal(take(ledger, NOW + 302, 300), 1_024);
  assert.equal(take(ledger, NOW + 604, 2_900), 2_048);
});

test('F60 three series, then pauses of 5, 10 and 20 minutes, then a day; another address or a hit begins anew', () => {
  const ledger = new SearchLedger(NOW);
  const freeAfter: number[] = [];
  for (let n = 0; n < 7; n += 1) {
    ledger.begin(NOW, 'p', 'a b', { probes: 0 });
    freeAfter.push(Math.max(0, ledger.pairFreeAt('p', 'a b') - NOW));
  }
  assert.deepEqual(freeAfter, [0, 0, 300, 600, 1_200, 86_400, 86_400]);
  assert.equal(ledger.pairFreeAt('p', 'a c'), 0);
  assert.equal(ledger.seriesOf('p', 'a c'), 0);
  ledger.hit('p');
  assert.equal(ledger.pairFreeAt('p', 'a b'), 0);
});

test('F60 a restart resets nothing, not even in the middle of a series, whatever the clock says', () => {
  const ledger = new SearchLedger(NOW);
  ledger.begin(NOW, 'p', 'a b', { probes: 1_024 });
  const atBegin = JSON.parse(JSON.stringify(ledger.toState(NOW))) as LedgerState;
  const killed = new SearchLedger(NOW + 10, atBegin);
  assert.equal(take(killed, NOW + 10, 200), 0, 'what it may have sent counts as sent');
  assert.equal(killed.seriesOf('p', 'a b'), 1);
  take(ledger, NOW, 2);
  ledger.end();
  const ended = new SearchLedger(NOW + 10, ledger.toState(NOW + 10));
  assert.equal(take(ended, NOW + 10, 100), 924);
  const early = new SearchLedger(NOW - 9_000, ledger.toState(NOW + 10));
  assert.equal(take(early, NOW - 9_000, 100), 924, 'what lies in the future counts as now');
  assert.ok(take(early, NOW - 9_000 + 400, 100) > 0, 'and does not count for ever');
});

test('F60 at most 256 mappings live at once; the ports of the last series are used again while theirs do', () => {
  const ledger = new SearchLedger(NOW);
  let drawn = 20_000;
  const next = () => {
    drawn += 1;
    return drawn;
  };
  const draw = (count: number) => Array.from({ length: count }, () => next());
  const first = ledger.portsFor(NOW, 'p', 'a b', 200, draw);
  assert.ok(first);
  ledger.begin(NOW, 'p', 'a b', { ports: first, probes: 0 });
  assert.equal(ledger.portsFor(NOW + 60, 'p', 'a b', 200, draw), first);
  assert.equal(ledger.portsFor(NOW + 359, 'q', 'a b', 64, draw), undefined);
  assert.equal(ledger.portsFor(NOW + 60, 'q', 'a b', 56, draw)?.length, 56);
  assert.equal(ledger.portsFor(NOW + 360, 'q', 'a b', 64, draw)?.length, 64);
  assert.notEqual(ledger.portsFor(NOW + 360, 'p', 'a b', 200, draw), first);
});

test('F60 fifty hard peers in 24 hours, with restarts: never over budget, and every pair has its turns', () => {
  const plan = (i: number): SearchPair['plan'] =>
    i % 3 === 0
      ? { role: 'open', target: { family: 4, address: '203.0.113.9', port: 5 }, mappings: 256, periodSeconds: 300 }
      : {
          role: 'probe',
          address: `203.0.113.${i}`,
          ports: i % 3 === 1 ? { kind: 'random' } : { kind: 'block', last: 40_000, size: 1_024 },
          probes: i % 3 === 1 ? 1_024 : 128,
          periodSeconds: i % 3 === 1 ? 300 : 60,
        };
  const pairs = Array.from({ length: 50 }, (_, i) => ({
    name: `${i}`,
    seed: 7_919 * i,
    plan: plan(i),
    addresses: 'a b',
  }));
  let ledger = new SearchLedger(NOW);
  const create = () => {
    const search = new HardNatSearch({ ledger, random: createRandom(9), isFree: () => true, createId });
    search.update(pairs);
    return search;
  };
  let search = create();
  const probes: number[] = [];
  const series = new Map<string, number>();
  const mappings = new Map<string, number>();
  let mostMappings = 0;
  let restartAt = 3_000_000;
  let saved = ledger.toState(NOW);
  for (let now = 0; now < 86_400_000; ) {
    const wall = NOW * 1_000 + now;
    if (now >= restartAt) {
      restartAt += 3_000_000;
      ledger = new SearchLedger(wall / 1_000, saved);
      search = create();
    }
    const step = search.next(wall);
    if (step.save) saved = JSON.parse(JSON.stringify(ledger.toState(wall / 1_000))) as LedgerState;
    if (step.save && step.running) series.set(step.running.pair, step.running.series);
    for (const { low, sourcePort, pair } of step.sends) {
      if (low) mappings.set(`${pair} ${sourcePort}`, now);
      else probes.push(now);
    }
    if (step.sends.some(({ low }) => low)) {
      for (const [name, at] of mappings) if (now - at > 300_000) mappings.delete(name);
      mostMappings = Math.max(mostMappings, mappings.size);
    }
    now = Math.max(now + 1, step.wakeAt - NOW * 1_000);
  }
  const most = (ms: number) => {
    let from = 0;
    return probes.reduce((best, at, to) => {
      while ((probes[from] ?? 0) <= at - ms) from += 1;
      return Math.max(best, to - from + 1);
    }, 0);
  };
  assert.ok(probes.length > 10_000, `${probes.length}: it does try`);
  assert.ok(most(1_000) <= 51, `${most(1_000)} in a second`);
  assert.ok(most(300_000) <= 1_024, `${most(300_000)} in 300 s`);
  assert.ok(most(3_600_000) <= 4_096, `${most(3_600_000)} in an hour`);
  assert.ok(mostMappings <= 256, `${mostMappings} mappings`);
  assert.ok(series.size >= 45, `${series.size} pairs had a turn`);
  assert.ok(Math.max(...series.values()) <= 6);
});
