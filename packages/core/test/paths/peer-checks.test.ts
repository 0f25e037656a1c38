import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Endpoint } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';
import { HostCheckBudget, PeerCheckBudget } from '#src/paths/check-budget.js';
import type { CheckSend, CheckStep } from '#src/paths/check-step.js';
import type { RemoteCandidate } from '#src/paths/path.js';
import { PeerChecks } from '#src/paths/peer-checks.js';
import { isParked, type Session } from '#src/paths/session.js';
import type { PathCode } from '#src/record/path-code.js';
import { BARE_CODE } from '../record/coded.js';

const T = 1_796_112_000;
const FOUR: Endpoint = { family: 4, address: '203.0.113.11', port: 51_820 };
const SIX: Endpoint = { family: 6, address: '2001:db8::1', port: 51_820 };
const LAN: Endpoint = { family: 4, address: '192.168.1.7', port: 51_820 };
const REFLEXIVE: RemoteCandidate = { endpoint: FOUR, type: 'reflexive', lan: false };
const code = (fields: Partial<PathCode> = {}): PathCode => ({ ...BARE_CODE, t: T, ...fields });
const at = (now: number) => ({ now, wall: T * 1_000 + now, clockSane: true });
const CONNECTED: Session = { connected: true, keepalive: true, endpoint: FOUR };

function create(fields: Partial<ConstructorParameters<typeof PeerChecks>[0]> = {}): PeerChecks {
  let ids = 0;
  return new PeerChecks({
    smaller: true,
    preferred: 4,
    upgrade: true,
    seed: 0,
    budget: new PeerCheckBudget(new HostCheckBudget()),
    createId: () => {
      ids += 1;
      return Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ids >> 8, ids & 0xff);
    },
    isLan: () => false,
    lowTtl: () => 3,
    ...fields,
  });
}
const only = (step: CheckStep): CheckSend => step.sends[0] ?? assert.fail('nothing was sent');

test('F45 nothing goes to a peer that does not know checks, nor after its record said so', () => {
  const checks = create();
  assert.deepEqual(checks.next(at(0)).sends, []);
  assert.equal(checks.next(at(0)).parked, false, 'such a peer is never parked');
  checks.onRecord(at(0), code(), [REFLEXIVE]);
  assert.equal(checks.next(at(0)).sends.length, 1);
  checks.onOldRecord();
  for (let now = 0; now < 200_000; now += 100) assert.deepEqual(checks.next(at(now)).sends, []);
  assert.equal(checks.knowsChecks, false);
});

test('F43 a path that was learnt and proved itself stays valid when a record names its address', () => {
  const checks = create();
  checks.onRequest(0, LAN, { betterPath: false });
  const send = only(checks.next(at(0)));
  assert.equal(checks.onAnswer(2, send.transactionId, LAN), true);
  assert.deepEqual(checks.next(at(2)).use, LAN);
  checks.onRecord(at(3), code(), [{ endpoint: LAN, type: 'host', lan: true }, REFLEXIVE]);
  const { use, parked } = checks.next(at(3));
  assert.deepEqual([use, parked], [LAN, false], 'not parked in the midst of its handshake');
  const path = checks.paths(3).find(({ endpoint }) => endpoint === LAN);
  assert.deepEqual([path?.type, path?.lan, path?.state], ['host', true, 'valid']);
});

test('F45 whoever sends a valid check knows them, and is answered in kind', () => {
  const checks = create();
  checks.onRequest(0, FOUR, { betterPath: false });
  const send = only(checks.next(at(0)));
  assert.deepEqual([send.endpoint, send.type, send.ttl], [FOUR, 'learnt', undefined]);
});

test('F46 only an answer to our own request, from the address that was asked, makes a path valid', () => {
  const checks = create();
  checks.onRecord(at(0), code(), [REFLEXIVE, { ...REFLEXIVE, endpoint: SIX }]);
  const [first, second] = checks.next(at(0)).sends;
  assert.ok(first && second);
  checks.onRequest(1, FOUR, { betterPath: false });
  assert.equal(checks.paths(2)[0]?.state, 'checking', 'that we hear it does not say that it hears us');
  assert.equal(checks.onAnswer(2, first.transactionId, SIX), false);
  assert.equal(checks.onAnswer(2, new Uint8Array(12), FOUR), false);
  assert.equal(checks.onAnswer(10, first.transactionId, FOUR), true);
  assert.equal(checks.onAnswer(11, first.transactionId, FOUR), false, 'once');
  assert.deepEqual(
    checks.paths(12).map(({ state, rttMs }) => [state, rttMs]),
    [
      ['valid', 10],
      ['checking', undefined],
    ],
  );
  assert.equal(checks.onAnswer(10_001, second.transactionId, SIX), false, 'too late to prove anything');
  assert.deepEqual(
    checks.paths(31_000).map(({ state }) => state),
    ['waiting', 'failed'],
  );
});

test('F43 a record alone proves nothing: low; an acknowledgement of our present record: full, for 30 s', () => {
  const ttls = (ack: number | undefined, own: number, age = 0) => {
    const checks = create();
    checks.onWritten(0, { t: own }, true);
    checks.onRecord(at(age), code({ t: T + 1, ...(ack === undefined ? {} : { ack }) }), [REFLEXIVE]);
    return only(checks.next(at(age))).ttl;
  };
  assert.equal(ttls(undefined, T), 3);
  assert.equal(ttls((T - 1) % 0x10000, T), 3, 'of an earlier record');
  assert.equal(ttls(T % 0x10000, T), undefined);
  assert.equal(ttls(T % 0x10000, T, 30_500), undefined, 'written 29.5 s ago');
  assert.equal(ttls(T % 0x10000, T, 31_500), 3, 'written 30.5 s ago');
});

test('F43 a valid request opens its own address alone', () => {
  const checks = create();
  checks.onRecord(at(0), code(), [REFLEXIVE, { ...REFLEXIVE, endpoint: SIX }]);
  checks.next(at(0));
  checks.onRequest(50, SIX, { betterPath: false });
  const sends = [...checks.next(at(50)).sends, ...checks.next(at(100)).sends];
  const ttlOf = (endpoint: Endpoint) => sends.filter((send) => send.endpoint === endpoint).map(({ ttl }) => ttl);
  assert.deepEqual(new Set(ttlOf(SIX)), new Set([undefined]));
  assert.deepEqual(new Set(ttlOf(FOUR)), new Set([3]));
});

test('our record is written again at once for a peer that has not read it, after 300 ms for one that has, once per t', () => {
  const checks = create();
  checks.onWritten(0, { t: T }, true);
  checks.onRecord(at(10), code(), [REFLEXIVE]);
  assert.equal(checks.acknowledgement(), undefined, 'before our NAT is open nothing is acknowledged');
  assert.equal(checks.next(at(10)).write, true);
  assert.equal(checks.acknowledgement(), T % 0x10000);
  checks.onWritten(20, { t: T, ack: T % 0x10000 }, false);
  assert.equal(checks.next(at(20)).write, false);
  checks.onRecord(at(30), code({ n: 1, ack: T % 0x10000 }), [REFLEXIVE]);
  for (let now = 30; now < 2_000; now += 10) assert.equal(checks.next(at(now)).write, false);

  const later = create();
  later.onWritten(0, { t: T }, true);
  later.onRecord(at(10), code({ ack: T % 0x10000 }), [REFLEXIVE]);
  assert.equal(later.next(at(309)).write, false);
  assert.equal(later.next(at(310)).write, true);
  later.onRequest(311, FOUR, { betterPath: false });
  assert.equal(later.next(at(311)).write, false, 'a sign of the peer is enough');
});

test('F43 in a common slot each of eight candidates is opened and then asked in full, within the budget', () => {
  const checks = create();
  const many = Array.from({ length: 8 }, (_, i) => ({ ...REFLEXIVE, endpoint: { ...FOUR, port: 2_000 + i } }));
  checks.onRecord(at(0), code(), many);
  const [low, full] = [new Map<number, number>(), new Map<number, number>()];
  for (let now = 0; now < 70_000; now += 50)
    for (const { endpoint, ttl } of checks.next(at(now)).sends) {
      if (now < 40_000) continue;
      const count = ttl === undefined ? full : low;
      count.set(endpoint.port, (count.get(endpoint.port) ?? 0) + 1);
    }
  assert.deepEqual([low.size, full.size], [8, 8]);
  assert.ok(Math.min(...full.values()) >= 3, `${[...full.values()]}`);
});

test('two addresses are learnt, one in five seconds, and an old one makes room', () => {
  const checks = create();
  checks.onRecord(at(0), code(), []);
  const from = (n: number) => ({ ...FOUR, port: 1_000 + n });
  const learnt = (now: number) => checks.paths(now).map(({ endpoint }) => endpoint.port);
  checks.onRequest(0, from(1), { betterPath: false });
  checks.onRequest(4_999, from(2), { betterPath: false });
  assert.deepEqual(learnt(4_999), [1_001]);
  checks.onRequest(5_000, from(3), { betterPath: false });
  checks.onRequest(10_000, from(4), { betterPath: false });
  assert.deepEqual(learnt(10_000), [1_003, 1_004]);
});

test('F43 while a peer that knows checks has no valid path and no young handshake it is parked', () => {
  const unconnected = { connected: false, keepalive: true };
  assert.equal(isParked(unconnected, 0, false), true);
  assert.equal(isParked(unconnected, 0, true), false);
  assert.equal(isParked({ connected: true, keepalive: true }, 0, false), false);
  const young = { ...unconnected, handshakeAt: 0 };
  assert.equal(isParked({ ...young, receivedAt: 170_000 }, 179_999, false), false);
  assert.equal(isParked({ ...young, receivedAt: 170_000 }, 180_000, false), true);
  assert.equal(
    isParked({ ...young, receivedAt: 1_000 }, 26_000, false),
    true,
    'nothing for 25 s in spite of a keepalive',
  );
  assert.equal(isParked({ ...young, keepalive: false }, 100_000, false), false);
  const checks = create();
  checks.onRecord(at(0), code(), [REFLEXIVE]);
  const first = checks.next(at(0));
  assert.deepEqual([first.parked, first.use], [true, { family: 4, address: '127.0.0.1', port: 9 }]);
  checks.onAnswer(10, only(first).transactionId, FOUR);
  const second = checks.next(at(10));
  assert.deepEqual([second.parked, second.use], [false, FOUR]);
});

test('F48 while connected both families and the LAN are asked once a minute, and the session moves to the better class', () => {
  const checks = create();
  checks.onRecord(at(0), code(), [REFLEXIVE, { endpoint: LAN, type: 'host', lan: true }]);
  const connect = checks.next(at(0)).sends.find(({ endpoint }) => endpoint === FOUR);
  assert.ok(connect);
  checks.onAnswer(40, connect.transactionId, FOUR);
  checks.onSession(200, CONNECTED);
  const seen = new Map<string, number[]>();
  let used: string | undefined;
  for (let now = 250; now < 10_000; now += 50) checks.next(at(now));
  for (let now = 10_000; now < 200_000; now += 50) {
    const step = checks.next(at(now));
    for (const send of step.sends) {
      const name = formatEndpoint(send.endpoint);
      seen.set(name, [...(seen.get(name) ?? []), Math.floor(now / 1_000) % 60]);
      assert.equal(send.betterPath, true);
      // The LAN's answers come from the second minute on.
      if (send.endpoint === FOUR || now > 110_000) checks.onAnswer(now + 1, send.transactionId, send.endpoint);
    }
    if (step.use) {
      assert.equal(used, undefined, 'once');
      used = `${formatEndpoint(step.use)} at ${Math.floor(now / 1_000)}`;
      checks.onSession(now, { ...CONNECTED, endpoint: step.use });
    }
  }
  assert.equal(used, '192.168.1.7:51820 at 120');
  for (const seconds of seen.values()) assert.ok(seconds.length >= 12 && Math.max(...seconds) <= 3, `${seconds}`);
});

test('F43 a tunnel died and we did not move: the other path, which answered at the last beat, is asked in full, the dead one is not', () => {
  const checks = create({ preferred: 6 });
  const six: RemoteCandidate = { endpoint: SIX, type: 'reflexive', lan: false };
  checks.onRecord(at(0), code(), [six, REFLEXIVE]);
  for (const { transactionId, endpoint } of checks.next(at(0)).sends) checks.onAnswer(20, transactionId, endpoint);
  checks.onSession(100, { ...CONNECTED, endpoint: SIX });
  for (let now = 200; now <= 62_100; now += 100)
    for (const { transactionId, endpoint } of checks.next(at(now)).sends) checks.onAnswer(now, transactionId, endpoint);
  checks.onSession(105_000, {
    connected: false,
    keepalive: true,
    endpoint: SIX,
    handshakeAt: 90_000,
    receivedAt: 100_000,
  });
  const ttls = (now: number) => new Map(checks.next(at(now)).sends.map(({ endpoint, ttl }) => [endpoint.family, ttl]));
  assert.deepEqual(
    ttls(105_000),
    new Map([
      [4, 3],
      [6, 3],
    ]),
    'we may have moved',
  );
  checks.onUnmoved(105_030, new Set([4, 6]));
  assert.deepEqual(ttls(105_030), new Map([[4, undefined]]));
  assert.deepEqual(
    ttls(105_130),
    new Map([
      [4, undefined],
      [6, 3],
    ]),
  );
  checks.onUnmoved(105_200, new Set([4, 6]));
  assert.deepEqual(ttls(105_200), new Map());
});

test('F46 the peer answered at another place in the last seconds of its tunnel: it is met there at once', () => {
  const checks = create();
  checks.onRecord(at(0), code(), [REFLEXIVE]);
  checks.onSession(0, CONNECTED);
  const other: Endpoint = { ...FOUR, port: 40_123 };
  checks.onRecord(at(100_000), code({ t: T + 100 }), [{ ...REFLEXIVE, endpoint: other }]);
  for (const { transactionId, endpoint } of checks.next(at(100_000)).sends)
    checks.onAnswer(100_020, transactionId, endpoint);
  checks.onSession(101_500, { ...CONNECTED, connected: false, handshakeAt: 90_000, receivedAt: 99_000 });
  assert.equal(checks.next(at(101_500)).use, undefined, 'we may have moved');
  checks.onUnmoved(101_530, new Set([4]));
  assert.deepEqual(checks.next(at(101_530)).use, other);
});

test('F46 the larger key waits for the smaller one, but not for one that believes in a tunnel which is gone', () => {
  for (const betterPath of [false, true]) {
    const checks = create({ smaller: false });
    checks.onRecord(at(0), code(), [REFLEXIVE]);
    checks.next(at(0));
    checks.onRequest(10, FOUR, { betterPath });
    const send = only(checks.next(at(10)));
    checks.onAnswer(20, send.transactionId, FOUR);
    assert.deepEqual(checks.next(at(20)).use, betterPath ? FOUR : undefined);
    assert.deepEqual(checks.next(at(2_020)).use, FOUR);
  }
});
