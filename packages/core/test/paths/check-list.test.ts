/** Table: at which endpoints a peer is tried, in which order, and when which family has its turn. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import {
  type CheckListInput,
  DWELL_MS,
  formPaths,
  inTurn,
  lost,
  proved,
  type Turn,
  tried,
} from '#src/paths/check-list.js';
import type { ParsedRecord } from '#src/record/endpoint-record.js';

/** An even slot of the wall clock: IPv4's turn. */
const WALL = Math.ceil(Date.UTC(2027, 0, 1) / (2 * DWELL_MS)) * 2 * DWELL_MS;
const T = WALL / 1000;
type Timed = Pick<ParsedRecord, 'ipv4' | 'ipv6' | 't'>;

const A4 = '192.0.2.1:1';
const B4 = '192.0.2.2:2';
const A6 = '[2001:db8::1]:1';

function record(t: number | undefined, ...texts: string[]): Timed {
  const endpoints = texts.flatMap((text) => parseEndpoint(text) ?? []);
  const [four, six] = [endpoints.find((e) => e.family === 4), endpoints.find((e) => e.family === 6)];
  return { ...(four ? { ipv4: four } : {}), ...(six ? { ipv6: six } : {}), ...(t === undefined ? {} : { t }) };
}

function order(input: Partial<CheckListInput & Turn>): readonly string[] {
  const whole: CheckListInput & Turn = {
    records: [],
    protocol: 'prefer_ipv4',
    provenTime: undefined,
    families: new Set([4, 6]),
    proven: undefined,
    wallNow: WALL,
    unconnectedForMs: 0,
    tryingForMs: 0,
    dwellMs: DWELL_MS,
    ...input,
  };
  return inTurn(formPaths(whole, []), whole).map(({ endpoint }) => formatEndpoint(endpoint));
}

test('the protocol of a peer chooses its families, the preferred one first', () => {
  const records = [record(T, A4, A6)];
  assert.deepEqual(order({ records, protocol: 'ipv4' }), [A4]);
  assert.deepEqual(order({ records, protocol: 'ipv6' }), [A6]);
  assert.deepEqual(order({ records, protocol: 'prefer_ipv4' }), [A4, A6]);
  assert.deepEqual(order({ records, protocol: 'prefer_ipv6' }), [A6, A4]);
});

test('a family in which this host has no address of its own is left out, unless none is known yet', () => {
  const records = [record(T, A4, A6)];
  assert.deepEqual(order({ records, families: new Set([4]) }), [A4]);
  assert.deepEqual(order({ records, families: new Set([6]) }), [A6]);
  assert.deepEqual(order({ records, families: new Set() }), [A4, A6]);
});

test('the other family has its first turn one dwell after the preferred one, whatever slot that falls into', () => {
  const records = [record(T, A4, A6)];
  for (const slot of [0, 1]) {
    const at = { records, wallNow: WALL + slot * DWELL_MS, tryingForMs: DWELL_MS };
    assert.equal(order({ ...at, protocol: 'prefer_ipv6' })[0], A4);
    assert.equal(order({ ...at, protocol: 'prefer_ipv4' })[0], A6);
  }
});

test('from the third dwell on the families take turns by slots of the wall clock, so that both sides try the same one', () => {
  const records = [record(T, A4, A6)];
  for (const protocol of ['prefer_ipv4', 'prefer_ipv6'] as const) {
    for (let slot = 0; slot < 4; slot += 1) {
      const at = { records, protocol, wallNow: WALL + slot * DWELL_MS, tryingForMs: DWELL_MS * (slot + 2) };
      assert.equal(order(at)[0], slot % 2 === 0 ? A4 : A6, `${protocol}, slot ${slot}`);
    }
  }
});

test('of several records the newest comes first, the endpoint that last worked second, then the others', () => {
  const records = [record(T - 10, B4), record(T, A4)];
  const proven = parseEndpoint('192.0.2.9:9');
  assert.ok(proven);
  assert.deepEqual(order({ records, proven }), [A4, '192.0.2.9:9', B4]);
});

test('candidates have their turn one dwell after the other and come round again', () => {
  const records = [record(T - 10, B4), record(T, A4)];
  const turns = [0, 1, 2, 3].map((turn) => order({ records, protocol: 'ipv4', tryingForMs: turn * DWELL_MS })[0]);
  assert.deepEqual(turns, [A4, B4, A4, B4]);
});

test('F21 a record below the floor is no candidate for a minute, and the last one afterwards', () => {
  const records = [record(T - 100, B4), record(T, A4)];
  assert.deepEqual(order({ records, provenTime: T - 50, unconnectedForMs: 59_999 }), [A4]);
  assert.deepEqual(order({ records, provenTime: T - 50, unconnectedForMs: 60_000 }), [A4, B4]);
  assert.deepEqual(order({ records: [record(undefined, B4)], provenTime: T, unconnectedForMs: 0 }), []);
  assert.deepEqual(order({ records: [record(undefined, B4)], provenTime: T, unconnectedForMs: 60_000 }), [B4]);
});

test('with no record at all the endpoint that last worked is tried', () => {
  const proven = parseEndpoint(A4);
  assert.ok(proven);
  assert.deepEqual(order({ proven }), [A4]);
  assert.deepEqual(order({ proven, protocol: 'ipv6' }), []);
});

test('the same endpoint is there once', () => {
  const proven = parseEndpoint(A4);
  assert.ok(proven);
  assert.deepEqual(order({ records: [record(T, A4), record(T - 1, A4)], proven }), [A4]);
});

test('a record without a time is behind those with one, whichever store gave it first', () => {
  const records = [record(undefined, B4), record(T, A4)];
  for (const each of [records, records.toReversed()]) assert.deepEqual(order({ records: each }), [A4, B4]);
});

test('what is known of a path stays with it while records come and go: tried, proved, lost', () => {
  const base = { protocol: 'ipv4', provenTime: undefined, families: new Set([4] as const), proven: undefined } as const;
  const at = { ...base, wallNow: WALL, unconnectedForMs: 0 };
  const [a, b] = [parseEndpoint(A4), parseEndpoint(B4)];
  assert.ok(a && b);
  const states = (paths: ReturnType<typeof formPaths>) => paths.map(({ state }) => state);
  let paths = formPaths({ ...at, records: [record(T, A4), record(T - 1, B4)] }, []);
  assert.deepEqual(states(paths), ['waiting', 'waiting']);
  paths = tried(paths, a, 10);
  assert.deepEqual(states(paths), ['checking', 'waiting']);
  paths = tried(paths, b, 20);
  assert.deepEqual(states(paths), ['failed', 'checking']);
  paths = proved(paths, a, 30, 7);
  assert.deepEqual(states(paths), ['valid', 'waiting'], 'the peer came to us by another path than the one tried');
  paths = formPaths({ ...at, records: [record(T + 1, '192.0.2.3:3'), record(T, A4)] }, paths);
  assert.deepEqual(states(paths), ['waiting', 'valid']);
  assert.deepEqual([paths[1]?.lastTriedAt, paths[1]?.lastValidAt, paths[1]?.rttMs], [10, 30, 7]);
  assert.deepEqual(states(lost(paths)), ['waiting', 'failed']);
});
