import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { parseEndpoint } from '#src/net/index.js';
import { Nomination } from '#src/paths/nomination.js';
import type { Path, PathState } from '#src/paths/path.js';
import { betterPath, choose, classOf } from '#src/paths/selection.js';

const endpoint = (text: string): Endpoint => parseEndpoint(text) ?? assert.fail(text);
const path = (
  text: string,
  rttMs: number,
  o: { lan?: boolean; state?: PathState; lastValidAt?: number } = {},
): Path => ({
  endpoint: endpoint(text),
  type: 'reflexive',
  lan: o.lan ?? false,
  state: o.state ?? 'valid',
  rttMs,
  lastValidAt: o.lastValidAt ?? 0,
});
const four = path('203.0.113.11:1', 40);
const six = path('[2001:db8::1]:1', 90);
const lan = path('192.168.1.7:1', 80, { lan: true });
const otherFour = (rttMs: number) => path('198.51.100.9:1', rttMs);

test('class comes before speed: LAN, the preferred family, the other one', () => {
  assert.deepEqual(
    [lan, six, four].map((p) => classOf(p, 6)),
    [0, 1, 2],
  );
  assert.deepEqual(
    [lan, six, four].map((p) => classOf(p, 4)),
    [0, 2, 1],
  );
  assert.equal(choose([four, six, lan], 6), lan);
  assert.equal(choose([four, six], 6), six);
  assert.equal(choose([four, six], 4), four);
  assert.equal(choose([path('192.168.1.7:1', 1, { state: 'failed' }), four], 6), four);
  assert.equal(choose([], 4), undefined);
});

test('F48 within a class another path has to be faster by 20 % and by 5 ms', () => {
  const at = { now: 1_000, lastSwitchAt: undefined };
  const moves = (rttMs: number, presentMs: number) =>
    betterPath([path('203.0.113.11:1', presentMs), otherFour(rttMs)], 4, path('203.0.113.11:1', presentMs), at)
      ?.rttMs === rttMs;
  assert.equal(moves(32, 40), true);
  assert.equal(moves(33, 40), false, '20 % are not reached');
  assert.equal(moves(2, 6), false, '5 ms are not reached');
  assert.equal(moves(1, 6), true);
});

test('F48 a live session moves only to a path that was valid within the last seconds, at most once a minute, by one side', () => {
  const fresh = { ...lan, lastValidAt: 95_500 };
  const at = (lastSwitchAt?: number) => ({ now: 100_000, lastSwitchAt });
  assert.equal(betterPath([four, fresh], 4, four, at()), fresh);
  assert.equal(betterPath([four, { ...lan, lastValidAt: 94_000 }], 4, four, at()), undefined);
  assert.equal(betterPath([four, fresh], 4, four, at(40_001)), undefined);
  assert.equal(betterPath([four, fresh], 4, four, at(40_000)), fresh);
  const rules = { preferred: 4, upgrade: true } as const;
  assert.equal(new Nomination({ ...rules, smaller: false }).connected(100_000, [four, fresh], four), undefined);
  assert.equal(
    new Nomination({ ...rules, smaller: true, upgrade: false }).connected(100_000, [four, fresh], four),
    undefined,
  );
  const nomination = new Nomination({ ...rules, smaller: true });
  assert.deepEqual(nomination.connected(100_000, [four, fresh], four), lan.endpoint);
  const later = { ...fresh, lastValidAt: 159_000 };
  assert.equal(
    nomination.connected(159_999, [four, later], four),
    undefined,
    'the old one stays where it did not stick',
  );
  assert.deepEqual(nomination.connected(160_000, [four, later], four), lan.endpoint);
});

test('the smaller key nominates 100 ms after the first valid path, at once for the best class; the other side after 2 s', () => {
  const waiting = path('192.168.1.7:1', 0, { lan: true, state: 'checking' });
  const nomination = new Nomination({ smaller: true, preferred: 4, upgrade: true });
  nomination.onValid(1_000);
  assert.equal(nomination.unsettled(1_050, [four, waiting]), undefined);
  assert.equal(nomination.nextAt([four, waiting]), 1_100);
  assert.deepEqual(nomination.unsettled(1_060, [four, six]), four.endpoint, 'nothing better can come');
  assert.equal(nomination.isNominated(four.endpoint), true);
  assert.deepEqual(nomination.unsettled(1_200, [four, otherFour(1)]), four.endpoint, 'speed alone changes nothing');
  assert.deepEqual(nomination.unsettled(1_300, [four, lan]), lan.endpoint, 'a better class does');

  const other = new Nomination({ smaller: false, preferred: 4, upgrade: true });
  other.onValid(1_000);
  assert.equal(other.unsettled(2_999, [four]), undefined);
  assert.deepEqual(other.unsettled(3_000, [four]), four.endpoint);
  assert.equal(other.isNominated(four.endpoint), false);
  other.reset();
  assert.equal(other.unsettled(9_000, [four]), undefined);
});

test('F9 a valid path on which WireGuard does not meet within 6 s gives way to another valid one', () => {
  const nomination = new Nomination({ smaller: true, preferred: 4, upgrade: true });
  nomination.onValid(0);
  const used = (now: number, ...paths: Path[]) => nomination.unsettled(now, paths);
  assert.deepEqual(used(200, lan, four), lan.endpoint);
  assert.deepEqual(used(6_199, lan, four), lan.endpoint);
  assert.deepEqual(used(6_200, lan, four), four.endpoint);
  assert.deepEqual(used(12_199, lan, four), four.endpoint);
  assert.deepEqual(used(12_200, lan, four), lan.endpoint, 'after the last one the first');
  assert.deepEqual(used(60_000, lan), lan.endpoint, 'a single one stays');
});
