import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import type { HardNat } from '#src/config/index.js';
import { isProbeable, portsAfter, portsOfBlock, randomPorts, sourcePorts } from '#src/paths/port-order.js';
import { isPlan, planSearch, type SearchSide, toldAllocation } from '#src/paths/search-plan.js';
import type { PathCode, PortAllocation } from '#src/record/path-code.js';
import { createRandom } from './random.js';

const endpoint = (last: number, port: number): Endpoint => ({ family: 4, address: `203.0.113.${last}`, port });
const side = (
  mapping4: PathCode['mapping4'],
  allocation: PortAllocation = 'unknown',
  fields: Partial<SearchSide> & { cgnat?: boolean } = {},
): SearchSide => ({
  code: {
    readsLong: true,
    clockSane: true,
    mapping4,
    filtering4: 'address-and-port-dependent',
    cgnat: fields.cgnat ?? false,
    filtering6: 'unknown',
    allocation,
    t: 1,
    n: 1,
    f: '00000000',
    candidates: {},
  },
  ipv4: endpoint(9, 40_000),
  ageMs: 1_000,
  ...fields,
});
const HARD = 'address-and-port-dependent';
const steady = side('endpoint-independent');
const plan = (own: SearchSide, peer: SearchSide, mode: HardNat = 'full') => {
  const found = planSearch(own, peer, mode);
  return isPlan(found) ? found : assert.fail(found.why);
};
const why = (own: SearchSide, peer: SearchSide, mode: HardNat = 'full') => {
  const found = planSearch(own, peer, mode);
  return isPlan(found) ? assert.fail(`a plan: ${found.role}`) : found;
};

test('F61 both hosts find the two halves of one plan in the same two records', () => {
  for (const [allocation, mappings, probes, period] of [
    ['random', 256, 1_024, 300],
    [{ block: 1_024 }, 64, 128, 60],
    [{ delta: 2 }, 64, 128, 60],
  ] as const) {
    const hard = side(HARD, allocation);
    const open = plan(hard, steady);
    const probe = plan(steady, hard);
    assert.ok(open.role === 'open' && probe.role === 'probe');
    assert.deepEqual([open.mappings, probe.probes], [mappings, probes]);
    assert.deepEqual([open.periodSeconds, probe.periodSeconds], [period, period]);
    assert.deepEqual(open.target, steady.ipv4);
    assert.equal(probe.address, hard.ipv4?.address);
  }
  const carrier = plan(side(HARD, 'random', { cgnat: true }), steady);
  assert.ok(carrier.role === 'open' && carrier.mappings === 64, "few behind a carrier's NAT");
  const both = plan(side(HARD, { delta: 1 }), side('address-dependent', { delta: 4 }));
  assert.deepEqual([both.role, both.role === 'both' && both.target.port], ['both', 40_080]);
});

test('F61 chance is taken only where prediction says random and the configuration says full', () => {
  const hard = side(HARD, 'random');
  for (const [own, peer] of [
    [hard, steady],
    [steady, hard],
  ] as const) {
    assert.equal(why(own, peer, 'predicted').fullWouldHelp, true);
    assert.match(why(own, peer, 'predicted').why, /at random/);
  }
  assert.equal(plan(side(HARD, { block: 256 }), steady, 'predicted').role, 'open');
});

test('F61 what is hopeless, unknown, old, easy or switched off is refused, in words', () => {
  const hard = side(HARD, 'random');
  const counting = side(HARD, { delta: 1 });
  for (const [own, peer] of [
    [hard, hard],
    [hard, counting],
    [counting, hard],
    [counting, side(HARD, { block: 512 })],
    [counting, side(HARD)],
  ] as const)
    assert.match(why(own, peer).why, /tens of thousands of mappings; a forwarded port, port mapping or IPv6/);
  assert.match(why(side(HARD), steady).why, /not known yet/);
  assert.match(why(side('unknown'), hard).why, /not known yet/);
  assert.match(why(steady, steady).why, /neither/);
  assert.match(why(steady, side(HARD, 'random', { ageMs: 600_001 })).why, /ten minutes/);
  assert.match(why(side('none', 'unknown', { ageMs: 600_001 }), hard).why, /ten minutes/);
  assert.match(why(steady, { ...hard, code: undefined }).why, /does not tell/);
  assert.match(why({ ...steady, ipv4: undefined }, hard).why, /no record/);
  assert.match(why(hard, steady, 'off').why, /hard_nat/);
});

test('F61 a host without diversions opens its own port alone, and its record tells no probing host of more', () => {
  const refused = (own: SearchSide, peer: SearchSide) => {
    const found = planSearch(own, peer, 'full', false);
    return isPlan(found) ? found : found.why;
  };
  assert.match(String(refused(side(HARD, 'random'), steady)), /no rules by which packets leave from another port/);
  assert.match(String(refused(side(HARD, { delta: 1 }), side(HARD, { delta: 1 }))), /no rules/);
  assert.deepEqual(refused(side(HARD, { delta: 1 }), steady), {
    role: 'open',
    target: steady.ipv4,
    mappings: 1,
    periodSeconds: 60,
  });
  assert.deepEqual(refused(steady, side(HARD, 'random')), plan(steady, side(HARD, 'random')), 'it can probe');
  for (const allocation of ['random', { block: 512 }] as const) {
    assert.equal(toldAllocation(allocation, false), 'unknown');
    assert.deepEqual(toldAllocation(allocation, true), allocation);
    assert.match(why(steady, side(HARD, toldAllocation(allocation, false))).why, /no rules to open it by/);
  }
  assert.deepEqual(toldAllocation({ delta: 3 }, false), { delta: 3 });
});

test('F61 a router that counts is followed upwards, past forbidden ports, and round the end', () => {
  assert.deepEqual([...portsAfter(40_000, 2, 6)], [40_002, 40_064, 40_004, 40_128, 40_006, 40_192]);
  assert.deepEqual([...portsAfter(5_058, 1, 8)], [5_059, 5_090, 5_122, 5_154, 5_062, 5_186]);
  assert.deepEqual([...portsAfter(65_534, 1, 5)], [65_535, 1_054, 1_024, 1_086, 1_025]);
  const far = [...portsAfter(40_000, 1, 128)];
  assert.equal(new Set(far).size, 128);
  assert.equal(Math.max(...far), 40_000 + 65 * 32, 'ten minutes of three flows a second');
});

test('a block and the whole range are gone through in any order, no port twice, none that is forbidden', () => {
  const block = [...portsOfBlock(40_000, 1_024, createRandom(1))];
  assert.equal(new Set(block).size, 1_024);
  assert.deepEqual([Math.min(...block), Math.max(...block)], [39_936, 40_959]);
  const lowest = [...portsOfBlock(1_500, 2_048, createRandom(2))];
  assert.ok(lowest.every(isProbeable) && lowest.length === 1_023, 'below 1024 and 1900 are left out');
  const all = [...randomPorts(createRandom(3))];
  assert.equal(new Set(all).size, 64_512 - 4);
  assert.ok(all.every(isProbeable));
  assert.notDeepEqual(all.slice(0, 5), [...randomPorts(createRandom(4))].slice(0, 5));
});

test('our own ports lie between 20,000 and 60,999, where the caller says they are free', () => {
  const ports = sourcePorts(256, createRandom(5), (port) => port < 32_768 || port > 60_000);
  assert.equal(new Set(ports).size, 256);
  assert.ok(ports.every((port) => port >= 20_000 && port <= 60_999 && (port < 32_768 || port > 60_000)));
  assert.deepEqual(
    sourcePorts(3, createRandom(6), () => false),
    [],
  );
});
