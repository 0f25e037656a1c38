/** Tables: what two readings of WireGuard say of a peer's life, its phase, and when it has to be probed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '#src/api/index.js';
import {
  createLife,
  forgetSession,
  hasSession,
  type Life,
  nextPhase,
  observe,
  observeEcho,
  onRecordChange,
  type PhaseInput,
  probeReason,
} from '#src/peers/health.js';
import { fakePublicKey } from '#src/testing/index.js';

const WALL = Date.UTC(2027, 0, 1);
const NOW = 1_000_000;

const reading = (facts: Partial<Peer> = {}): Peer => ({
  publicKey: fakePublicKey('it'),
  allowedIps: [],
  rxBytes: 10_000,
  txBytes: 10_000,
  keepaliveSeconds: 0,
  ...facts,
});

/** A life with a session that began `sessionMs` ago. */
function living(sessionMs = 60_000, facts: Partial<Peer> = {}): Life {
  const first = observe(createLife(), reading({ ...facts, latestHandshakeAt: WALL - sessionMs }), NOW, WALL);
  return observeEcho(first.life, NOW);
}

const HANDSHAKE = WALL - 60_000;
const ROWS: readonly [string, Partial<Peer>, { alive: boolean; inbound: boolean }][] = [
  ['nothing moved', { latestHandshakeAt: HANDSHAKE }, { alive: false, inbound: false }],
  ['the handshake advanced', { latestHandshakeAt: WALL, rxBytes: 10_092 }, { alive: true, inbound: false }],
  [
    'the handshake advanced, rx by 148: its initiation, our answer',
    { latestHandshakeAt: WALL, rxBytes: 10_148 },
    { alive: true, inbound: false },
  ],
  ['a keepalive', { latestHandshakeAt: HANDSHAKE, rxBytes: 10_032 }, { alive: true, inbound: false }],
  ['data', { latestHandshakeAt: HANDSHAKE, rxBytes: 11_500 }, { alive: true, inbound: false }],
  ['148: it initiates', { latestHandshakeAt: HANDSHAKE, rxBytes: 10_148 }, { alive: false, inbound: true }],
  ['3 x 148: it initiates', { latestHandshakeAt: HANDSHAKE, rxBytes: 10_444 }, { alive: false, inbound: true }],
  ['148 and a keepalive', { latestHandshakeAt: HANDSHAKE, rxBytes: 10_180 }, { alive: true, inbound: false }],
  ['only we sent', { latestHandshakeAt: HANDSHAKE, txBytes: 99_999 }, { alive: false, inbound: false }],
  [
    'the wall clock was set back: another stamp is a new handshake',
    { latestHandshakeAt: HANDSHAKE - 7_200_000, rxBytes: 10_148 },
    { alive: true, inbound: false },
  ],
  ['counters back to zero, no handshake', { rxBytes: 0, txBytes: 0 }, { alive: false, inbound: false }],
  ['counters back, then an initiation came', { rxBytes: 148, txBytes: 0 }, { alive: false, inbound: true }],
];

for (const [what, facts, expected] of ROWS) {
  test(`observe: ${what}`, () => {
    const { alive, inbound, life } = observe(living(), reading(facts), NOW + 10_000, WALL + 10_000);
    assert.deepEqual({ alive, inbound }, expected);
    assert.equal(life.lastLifeAt === NOW + 10_000, expected.alive);
  });
}

test('observe: F72 nothing at the first reading is life, however young its handshake; a session it may be', () => {
  const first = (facts: Partial<Peer>) => observe(createLife(), reading(facts), NOW, WALL);
  for (const facts of [{}, { latestHandshakeAt: WALL - 1 }, { rxBytes: 5_000_000 }]) {
    const { alive, life } = first(facts);
    assert.deepEqual([alive, life.lastLifeAt], [false, undefined]);
  }
  assert.equal(hasSession(first({ latestHandshakeAt: WALL - 179_000 }).life, NOW), true);
  assert.equal(hasSession(first({ latestHandshakeAt: WALL - 181_000 }).life, NOW), false);
});

test('observe: F72 where echoes stay unanswered bytes are no life, a new handshake is', () => {
  const silent = { bytesAreLife: false };
  const bytes = reading({ latestHandshakeAt: HANDSHAKE, rxBytes: 11_500 });
  assert.equal(observe(living(), bytes, NOW + 1_000, WALL, silent).alive, false);
  const handshake = reading({ latestHandshakeAt: WALL, rxBytes: 11_500 });
  assert.equal(observe(living(), handshake, NOW + 1_000, WALL, silent).alive, true);
});

test('F72 a session of a former key is none, and no life', () => {
  const life = forgetSession(living());
  assert.deepEqual([hasSession(life, NOW), life.lastLifeAt], [false, undefined]);
  const same = reading({ latestHandshakeAt: HANDSHAKE });
  assert.equal(hasSession(observe(life, same, NOW + 1_000, WALL).life, NOW + 1_000), false);
});

test('observe: a session ends 180 s after its handshake by the monotonic clock, however the wall clock jumps', () => {
  const life = living(0);
  assert.equal(hasSession(life, NOW + 179_999), true);
  assert.equal(hasSession(life, NOW + 180_000), false);
  const later = observe(life, reading({ latestHandshakeAt: WALL }), NOW + 5_000, WALL - 86_400_000).life;
  assert.equal(hasSession(later, NOW + 179_999), true);
});

test('observe: a handshake in the future of a wrong clock counts from now', () => {
  const life = observe(createLife(), reading({ latestHandshakeAt: WALL + 3_600_000 }), NOW, WALL).life;
  assert.equal(hasSession(life, NOW + 179_999), true);
  assert.equal(hasSession(life, NOW + 180_001), false);
});

test('observe: data that was sent is remembered from when it was seen until the next life', () => {
  const sent = observe(living(), reading({ latestHandshakeAt: HANDSHAKE, txBytes: 10_100 }), NOW + 1_000, WALL).life;
  assert.equal(sent.sentAt, NOW + 1_000);
  const more = observe(sent, reading({ latestHandshakeAt: HANDSHAKE, txBytes: 10_200 }), NOW + 2_000, WALL).life;
  assert.equal(more.sentAt, NOW + 1_000);
  const heard = observe(
    more,
    reading({ latestHandshakeAt: HANDSHAKE, txBytes: 10_200, rxBytes: 10_032 }),
    NOW + 3_000,
    WALL,
  ).life;
  assert.equal(heard.sentAt, undefined);
  assert.equal(observeEcho(more, NOW + 3_000).sentAt, undefined);
});

test('observe: our own keepalives are no data that waits for an answer', () => {
  let life = living(0, { keepaliveSeconds: 25 });
  for (let i = 1; i <= 6; i += 1) {
    const facts = { latestHandshakeAt: WALL, keepaliveSeconds: 25, txBytes: 10_000 + 32 * i };
    life = observe(life, reading(facts), NOW + 25_000 * i, WALL).life;
    assert.equal(life.sentAt, undefined, `after ${i}`);
  }
});

const PHASES: readonly [string, Partial<PhaseInput>, string][] = [
  ['no endpoint, no record', { before: 'waiting', life: createLife(), reachable: false }, 'waiting'],
  ['a record or an endpoint, no handshake', { before: 'waiting', life: createLife() }, 'connecting'],
  ['life after the write', { before: 'connecting', life: living(0), since: NOW - 1 }, 'connected'],
  [
    'life before the write proves nothing',
    { before: 'connecting', life: living(0), since: NOW + 1, now: NOW + 2 },
    'connecting',
  ],
  [
    'suspect stays suspect without life',
    { before: 'suspect', life: living(0), since: NOW + 1, now: NOW + 2 },
    'suspect',
  ],
  ['suspect comes back with life', { before: 'suspect', life: living(0), since: NOW }, 'connected'],
  [
    'connected with an old handshake and keepalive: age alone is no failure',
    { before: 'connected', life: living(0), now: NOW + 1_000_000, keepaliveSeconds: 25 },
    'connected',
  ],
  [
    'connected without keepalive and session, nothing sent: idle',
    { before: 'connected', life: living(0), now: NOW + 180_000 },
    'idle',
  ],
  [
    'connected without keepalive, session still there',
    { before: 'connected', life: living(0), now: NOW + 100_000 },
    'connected',
  ],
  [
    'connected, data was sent and the session ended: a probe decides',
    { before: 'connected', life: { ...living(0), sentAt: NOW + 1 }, now: NOW + 200_000 },
    'connected',
  ],
  [
    'idle and life: connected',
    { before: 'idle', life: { ...living(0), lastLifeAt: NOW + 500_000 }, now: NOW + 500_000 },
    'connected',
  ],
  ['idle stays idle', { before: 'idle', life: living(0), now: NOW + 500_000 }, 'idle'],
];

for (const [what, input, expected] of PHASES) {
  test(`nextPhase: ${what}`, () => {
    const full: PhaseInput = {
      before: 'waiting',
      life: createLife(),
      keepaliveSeconds: 0,
      reachable: true,
      since: 0,
      now: NOW,
      ...input,
    };
    assert.equal(nextPhase(full), expected);
  });
}

test('probeReason: sent and unanswered for 11 s; silent for 30 s with a keepalive; never for age alone', () => {
  const life = living(0);
  assert.equal(probeReason(life, 0, NOW + 3_600_000), undefined);
  assert.equal(probeReason({ ...life, sentAt: NOW }, 0, NOW + 10_999), undefined);
  assert.notEqual(probeReason({ ...life, sentAt: NOW }, 0, NOW + 11_000), undefined);
  assert.equal(probeReason(life, 25, NOW + 29_999), undefined);
  assert.notEqual(probeReason(life, 25, NOW + 30_000), undefined);
});

test('onRecordChange: F16 the path that works is probed first, an idle one is left alone, a loose one is connected', () => {
  const base = { phase: 'connected', inUse: false } as const;
  assert.equal(onRecordChange(base), 'probe');
  assert.equal(onRecordChange({ ...base, inUse: true }), 'keep');
  assert.equal(onRecordChange({ ...base, phase: 'idle' }), 'keep');
  for (const phase of ['waiting', 'connecting', 'suspect'] as const)
    assert.equal(onRecordChange({ ...base, phase }), 'connect');
});
