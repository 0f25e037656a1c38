/** One ping monitor by itself: replies, names and faults that come at odd moments, and that it ends (F28). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError } from '#src/api/index.js';
import { createPingMonitors } from '#src/controllers/ping-monitor/monitors.js';
import { planReconfiguration } from '#src/peers/reconfigure.js';
import { createComponents, type DoubleOptions, FAR } from './doubles.js';

function pings(
  target: string | undefined,
  options: DoubleOptions = {},
  answer?: (reply: (ms: number) => void) => void,
) {
  const ping = { enabled: true, intervalMs: 1_000, timeoutMs: 500, ...(target === undefined ? {} : { target }) };
  const d = createComponents({ ...options, endpoint: FAR, ping });
  const sent: string[] = [];
  const heard: (number | 'overdue')[] = [];
  const monitors = createPingMonitors({
    ...d.c,
    echoes: {
      async send({ device, to, onReply }) {
        sent.push(`${device} ${to}`);
        answer?.(onReply);
      },
    },
    on: { answered: (_peer, ms) => heard.push(ms), late() {}, overdue: () => heard.push('overdue') },
  });
  monitors.follow();
  const stop = async () => {
    d.stopping.abort(new StunmeshError('ERR_CLOSED', 'stopping'));
    await d.clock.advance(0);
    await monitors.stop();
    assert.equal(d.clock.pending, 0, 'no timer is left');
  };
  return { ...d, sent, heard, monitors, stop };
}

test('F28 a reply that comes with the very send is no overdue ping, and leaves no timer behind', async () => {
  const d = pings('10.99.1.1', {}, (reply) => reply(0));
  await d.clock.advance(2_500);
  assert.deepEqual(d.heard, [0, 0, 0]);
  await d.stop();
});

test('F28 a ping after which the daemon ends is not reported as overdue', async () => {
  const d = pings('10.99.1.1');
  await d.clock.advance(100);
  await d.stop();
  assert.deepEqual([d.sent, d.heard], [['wg0 10.99.1.1'], []]);
});

test('F28 a ping target that does not resolve is told once, asked for again every 30 s, and forgotten when it does', async () => {
  let address: string | undefined;
  const d = pings('peer.example', {
    parts: {
      async resolve(_host, family) {
        if (address === undefined) throw new StunmeshError('ERR_RESOLVE', 'not known');
        return family === 6 ? [address] : [];
      },
    },
  });
  await d.clock.advance(70_000);
  assert.equal(
    d.peer.pingFault?.message,
    'the ping target "peer.example" does not resolve; write an address, or see to the name',
  );
  assert.equal(d.logger.lines.filter(({ message }) => message === 'cannot ping').length, 1);
  address = 'fd00::5';
  await d.clock.advance(30_000);
  assert.equal(d.peer.pingFault, undefined);
  assert.equal(d.sent[0], 'wg0 fd00::5');
  await d.stop();
});

test('a ping monitor whose work breaks says so as a fault of the peer and goes on', async () => {
  const d = pings('10.99.1.1', {});
  Object.defineProperty(d.peer, 'observed', {
    get() {
      throw new TypeError('a bug');
    },
  });
  await d.clock.advance(1_000);
  assert.deepEqual([d.peer.pingFault?.code, d.peer.pingFault?.message], ['ERR_INTERNAL', 'TypeError: a bug']);
  await d.stop();
});

test('F28 a device that is in another network namespace is told once, and the pings that cannot be sent count as lost', async () => {
  let refusal: StunmeshError | undefined = new StunmeshError(
    'ERR_CAPTURE_OPEN',
    'the IPv4 echo socket of wg0 cannot be opened: there is no device wg0',
  );
  const d = pings('10.99.1.1', {}, (reply) => {
    if (refusal) throw refusal;
    reply(1);
  });
  await d.clock.advance(2_500);
  assert.deepEqual(d.heard, ['overdue', 'overdue', 'overdue']);
  assert.equal(d.peer.pingFault?.code, 'ERR_CAPTURE_OPEN');
  assert.match(d.peer.pingFault?.message ?? '', /no ping can be sent: .*no device wg0; .*another network namespace/);
  assert.equal(d.logger.lines.filter(({ message }) => message === 'cannot ping').length, 1);
  refusal = undefined;
  await d.clock.advance(1_000);
  assert.deepEqual([d.peer.pingFault, d.heard.at(-1)], [undefined, 1]);
  await d.stop();
});

test('a peer that is to be pinged nowhere is not pinged', async () => {
  const d = pings(undefined);
  await d.clock.advance(5_000);
  assert.deepEqual(d.sent, []);
  await d.stop();
});

test('a reload that changes nothing of a ping leaves its rhythm, one that takes the peer away ends it', async () => {
  const d = pings('10.99.1.1', {}, (reply) => reply(1));
  await d.clock.advance(500);
  d.monitors.follow();
  await d.clock.advance(600);
  assert.equal(d.sent.length, 2);
  assert.equal((await planReconfiguration(d.device, { ...d.device.config, peers: new Map() }, d.clock))(), true);
  d.monitors.follow();
  await d.clock.advance(5_000);
  assert.equal(d.sent.length, 2);
  await d.monitors.stop();
  assert.equal(d.clock.pending, 0);
});
