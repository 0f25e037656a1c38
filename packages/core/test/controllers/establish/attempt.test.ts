/** Punches, handshake triggers and endpoint changes by themselves, with everything around them going wrong (F18, F18b, F18c, F34). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { type AttemptsComponents, createAttempts } from '#src/controllers/establish/attempt.js';
import {
  createHandshakeTrigger,
  type HandshakeTriggerComponents,
} from '#src/controllers/establish/handshake-trigger.js';
import { createPunch } from '#src/controllers/establish/punch.js';
import { parseEndpoint } from '#src/net/index.js';
import { PARKED } from '#src/paths/session.js';
import { createComponents, type DoubleOptions, FAR } from '../doubles.js';

const FAR6 = endpoint('[2001:db8:5::1]:50000');

function endpoint(text: string) {
  const parsed = parseEndpoint(text);
  assert.ok(parsed);
  return parsed;
}

type Parts = Partial<AttemptsComponents & HandshakeTriggerComponents>;

function attemptsOf(options: DoubleOptions = {}, parts: Parts = {}) {
  const d = createComponents(options);
  const echoes: { readonly to: string; readonly ttl?: number }[] = [];
  const punch = createPunch(d.c);
  const handshake = createHandshakeTrigger({
    ...d.c,
    echoes: { send: async (request) => void echoes.push(request) },
    onEchoReply() {},
    ...parts,
  });
  const attempts = createAttempts({
    ...d.c,
    punch,
    handshake,
    read: async () => {
      d.refresh();
      return true;
    },
    ...parts,
  });
  return { ...d, attempts, punch, handshake, echoes };
}

test('a punch goes out from the port of WireGuard, to each family by a socket of its own, and asks for no replies', async () => {
  const d = attemptsOf({ fib: 3 });
  const opened: object[] = [];
  const open = d.capture.openStunSocket;
  d.capture.openStunSocket = async (options) => {
    const { family, localPort, excludeDevice, firewallMark, fib, sendOnly } = options;
    opened.push({ family, localPort, excludeDevice, firewallMark, fib, sendOnly });
    return open(options);
  };
  await d.punch.punchPeer(d.peer, [FAR, FAR6]);
  const socket = { localPort: 51_820, excludeDevice: 'wg0', firewallMark: 0, fib: 3, sendOnly: true };
  assert.deepEqual(opened, [
    { family: 4, ...socket },
    { family: 6, ...socket },
  ]);
  assert.deepEqual(
    d.capture.sent.map(({ to, message }) => [to.address, [...message]]),
    [
      ['198.51.100.1', [0]],
      ['2001:db8:5::1', [0]],
    ],
  );
  assert.equal(d.capture.stunSockets.size, 0);
});

test('a device that listens on no port, or is not there, is not punched for: no socket could have its port', async () => {
  for (const options of [{ listenPort: 0 }, { present: false }]) {
    const d = attemptsOf(options);
    d.capture.openStunSocket = () => assert.fail('a socket was opened');
    await d.punch.punchPeer(d.peer, [FAR]);
    assert.deepEqual(d.logger.lines, []);
  }
});

test('a punch that cannot be sent costs a line for whoever looks for it, and the other family is punched all the same', async () => {
  const d = attemptsOf();
  const error = new StunmeshError('ERR_CAPTURE_OPEN', 'no raw sockets here');
  const open = d.capture.openStunSocket;
  d.capture.openStunSocket = async (options) => {
    if (options.family === 4) throw error;
    return open(options);
  };
  await d.punch.punchPeer(d.peer, [FAR, FAR6]);
  assert.deepEqual(d.logger.lines, [
    { level: 'debug', fields: { device: 'wg0', to: 'IPv4', error }, message: 'could not send a packet' },
  ]);
  assert.equal(d.capture.sent.length, 1);
});

test('one endpoint that cannot be reached keeps no other from being punched; on the way down nothing is told', async () => {
  const d = attemptsOf();
  d.capture.setRoute('198.51.100.1', undefined);
  await d.punch.punchPeer(d.peer, [FAR, endpoint('198.51.100.2:50000')]);
  assert.deepEqual(
    d.capture.sent.map(({ to }) => to.address),
    ['198.51.100.2'],
  );
  assert.deepEqual(
    d.logger.lines.map(({ fields }) => fields['to']),
    ['198.51.100.1:50000'],
  );
  d.logger.lines.length = 0;
  d.stopping.abort();
  await d.punch.punchPeer(d.peer, [FAR]);
  assert.deepEqual(d.logger.lines, []);
});

test('a peer that is not on the device is sent nothing', async () => {
  const d = attemptsOf();
  d.peer.observed = undefined;
  await d.handshake.trigger(d.peer);
  assert.deepEqual(d.echoes, []);
  assert.deepEqual(d.wg.writes, []);
});

test('F18c the triggering packet goes to an address that the peer itself has, with a TTL that ends there', async () => {
  const d = attemptsOf();
  await d.handshake.trigger(d.peer);
  assert.deepEqual(
    d.echoes.map(({ to, ttl }) => [to, ttl]),
    [['10.99.1.1', 1]],
  );
});

test('F18c IPv6 inside the tunnel is used where its route leaves by the device, or no route can be asked for', async () => {
  for (const [name, prepare, to] of [
    ['by the device', (d: ReturnType<typeof attemptsOf>) => d.route('wg0'), 'fd00::5'],
    ['by another', (d: ReturnType<typeof attemptsOf>) => d.route('eth0'), undefined],
    ['unknown', (d: ReturnType<typeof attemptsOf>) => Reflect.deleteProperty(d.capture, 'routeTo'), 'fd00::5'],
  ] as const) {
    const d = attemptsOf({ allowedIps: ['fd00::5/128'] });
    prepare(d);
    await d.handshake.trigger(d.peer);
    assert.equal(d.echoes[0]?.to, to, name);
    assert.equal(d.wg.writes.length, to === undefined ? 2 : 0, name);
  }
});

test('F18c a peer without any address inside is triggered by its keepalive, which has its old value afterwards', async () => {
  for (const [usual, pulse] of [
    [0, 25],
    [25, 0],
  ] as const) {
    const d = attemptsOf({ allowedIps: [], keepaliveSeconds: usual });
    await d.handshake.trigger(d.peer);
    assert.deepEqual(
      d.wg.writes.map(({ method, keepaliveSeconds }) => [method, keepaliveSeconds]),
      [
        ['setPeerKeepalive', pulse],
        ['setPeerKeepalive', usual],
      ],
    );
  }
});

test('a trigger works where the interface is not listed, and one that fails costs a line', async () => {
  const error = new StunmeshError('ERR_CAPTURE_SEND', 'the device is full');
  const d = attemptsOf({}, { echoes: { send: () => Promise.reject(error) } });
  d.capture.setInterfaces([]);
  await d.handshake.trigger(d.peer);
  assert.deepEqual(d.logger.lines, [
    { level: 'debug', fields: { device: 'wg0', to: 'peer-0', error }, message: 'could not send a packet' },
  ]);
});

test('a host that moved tells WireGuard the endpoints that it has, and none where the device cannot be read', async () => {
  const d = attemptsOf({ endpoint: FAR });
  await d.attempts.refreshSource();
  assert.deepEqual([...(d.wg.writes[0]?.endpoints?.values() ?? [])], [FAR]);
  const unread = attemptsOf({ endpoint: FAR }, { read: async () => false });
  await unread.attempts.refreshSource();
  assert.deepEqual(unread.wg.writes, []);
});

test('an attempt without endpoints, or on a device that is gone, changes nothing', async () => {
  const d = attemptsOf();
  await d.attempts.attempt(d.peer, []);
  assert.deepEqual([d.capture.sent, d.wg.writes], [[], []]);
  const gone = attemptsOf({}, { read: async () => false });
  await gone.attempts.attempt(gone.peer, [FAR]);
  assert.equal(gone.capture.sent.length, 1);
  assert.deepEqual(gone.wg.writes, []);
});

test('F17 an attempt leaves a peer alone that connected while its NAT was opened', async () => {
  const d = attemptsOf();
  d.peer.phase = 'connected';
  await d.attempts.attempt(d.peer, [FAR]);
  assert.deepEqual(d.wg.writes, []);
});

test('F18 a device that vanishes after the trigger is not renewed', async () => {
  let left = 1;
  const d = attemptsOf({}, { read: async () => left-- > 0 });
  const attempt = d.attempts.attempt(d.peer, [FAR]);
  await d.clock.advance(1_000);
  await attempt;
  assert.deepEqual(
    d.wg.writes.map(({ method }) => method),
    ['setPeerEndpoints'],
  );
});

test('F18 the pause is met by one renewal; one that fails is left to WireGuard, and only what the operator can act on is kept', async () => {
  const error = new StunmeshError('ERR_WG_FAILED', 'the peer has a preshared key that cannot be kept');
  for (const [thrown, code, left] of [
    [undefined, undefined, 2],
    [error, 'ERR_WG_FAILED', 0],
    [new StunmeshError('ERR_DEADLINE', 'too late'), undefined, 2],
    [new TypeError('a bug'), undefined, 0],
  ] as const) {
    const d = attemptsOf({ endpoint: FAR });
    d.peer.phase = 'connecting';
    if (thrown) d.c.control.renewPeer = () => Promise.reject(thrown);
    const attempt = d.attempts.attempt(d.peer, [FAR]);
    await d.clock.advance(1_000);
    await attempt;
    assert.equal(d.peer.fault?.code, code);
    assert.equal(d.peer.series.renewalsLeft, left);
    assert.equal(d.peer.renewals, thrown ? 0 : 1);
  }
});

test('a peer is taken off the place where it was parked at once, however lately it was put there', async () => {
  const d = attemptsOf({ endpoint: PARKED });
  d.peer.phase = 'connecting';
  d.peer.lastWrite = { endpoint: PARKED, at: d.clock.now() };
  const using = d.attempts.use(d.peer, FAR);
  await d.clock.advance(2_000);
  await using;
  assert.deepEqual(d.wg.peer('wg0', d.peer.publicKey)?.endpoint, FAR);
});

test('a write that took too long may stand all the same, and is known as ours; one that was refused is not noted', async () => {
  for (const [code, noted] of [
    ['ERR_DEADLINE', FAR],
    ['ERR_WG_FAILED', undefined],
  ] as const) {
    const d = attemptsOf({}, { writer: { set: () => Promise.reject(new StunmeshError(code, 'no')) } as never });
    d.peer.phase = 'connecting';
    await assert.rejects(d.attempts.attempt(d.peer, [FAR]), { code });
    assert.deepEqual(d.peer.lastWrite?.endpoint, noted);
  }
});
