/** The STUN agent: one socket a family by count, messages to whom they are for, and answers that do not count (F1). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StunMessageEvent, StunmeshError, type StunRequests, type StunSendOptions } from '#src/api/index.js';
import { type AgentSocketOptions, createAgent } from '#src/stun/agent.js';
import { xorAddressAttribute } from '#src/stun/attributes.js';
import { formatMessage, parseMessage, type StunMessage } from '#src/stun/message.js';
import { createFakeClock } from '#src/testing/index.js';
import { endpoint, reply, watch } from './fake-network.js';

const SERVER = endpoint('198.51.100.1:3478');
const MAPPED = endpoint('203.0.113.7:40001');
const free = new AbortController().signal;

function setUp({ passes = true } = {}) {
  const clock = createFakeClock();
  const opened: AgentSocketOptions[] = [];
  const open = new Set<AgentSocketOptions>();
  const sent: {
    readonly bytes: Uint8Array;
    readonly by: AgentSocketOptions;
    readonly options: StunSendOptions | undefined;
  }[] = [];
  const passed: (StunRequests | undefined)[] = [];
  const bound = { port: 51_820, key: 'a' };
  let n = 0;
  const agent = createAgent({
    clock,
    random(bytes) {
      n += 1;
      return new Uint8Array(bytes).fill(n);
    },
    binding: () => ({ ...bound }),
    async openSocket(options) {
      opened.push(options);
      open.add(options);
      return {
        send: async (bytes, _to, how) => void sent.push({ bytes, by: options, options: how }),
        ...(passes ? { passRequests: async (requests: StunRequests | undefined) => void passed.push(requests) } : {}),
        async [Symbol.asyncDispose]() {
          open.delete(options);
        },
      };
    },
  });
  const deliver = (message: Uint8Array, o: { from?: string; port?: number; by?: number } = {}): void => {
    const from = endpoint(o.from ?? '198.51.100.1:3478');
    opened[o.by ?? 0]?.onMessage({ message, from, to: { ...from, port: o.port ?? bound.port } });
  };
  const asked = (i = 0): StunMessage => parseMessage(sent[i]?.bytes ?? new Uint8Array()) ?? assert.fail('not asked');
  const good = (i = 0) => reply(asked(i), [xorAddressAttribute(MAPPED, asked(i).transactionId)]);
  return { clock, agent, opened, open, sent, passed, bound, deliver, asked, good };
}

test('F15 whoever needs a family shares its socket; the last one closes it, and the next opens another', async () => {
  const { agent, opened, open } = setUp();
  const [a, b, six] = await Promise.all([agent.acquire(4, free), agent.acquire(4, free), agent.acquire(6, free)]);
  assert.deepEqual(
    opened.map(({ family }) => family),
    [4, 6],
  );
  await a[Symbol.asyncDispose]();
  await a[Symbol.asyncDispose]();
  assert.equal(open.size, 2, 'giving back twice counts once');
  await b[Symbol.asyncDispose]();
  await six[Symbol.asyncDispose]();
  assert.equal(open.size, 0);
  await agent.acquire(4, free);
  assert.equal(opened.length, 3);
  assert.notDeepEqual(opened[2]?.transactionPrefix, opened[0]?.transactionPrefix);
  await agent[Symbol.asyncDispose]();
  assert.equal(open.size, 0);
});

test('what nobody answers goes by the open socket, or by one that hears nothing', async () => {
  const { agent, opened, sent, open } = setUp();
  await using alone = await agent.acquireForSending(4, free);
  await alone.send(Uint8Array.of(0), SERVER);
  assert.equal(opened[0]?.sendOnly, true);
  await using hearing = await agent.acquire(4, free);
  assert.equal(opened[1]?.sendOnly, undefined);
  await using shared = await agent.acquireForSending(4, free);
  await shared.send(Uint8Array.of(0), SERVER);
  assert.equal(sent[1]?.by, opened[1]);
  await hearing[Symbol.asyncDispose]();
  assert.equal(open.size, 2, 'the sender still needs it');
});

test('F1 each transaction gets its own reply, with the prefix of the socket, whoever asked', async () => {
  const { agent, clock, deliver, good, asked, opened } = setUp();
  await using socket = await agent.acquire(4, free);
  await using other = await agent.acquire(4, free);
  const first = watch(socket.ask({ server: SERVER, signal: free }), clock);
  const second = watch(other.ask({ server: SERVER, signal: free }), clock);
  await clock.advance(5);
  assert.deepEqual(asked(0).transactionId.slice(0, 4), opened[0]?.transactionPrefix);
  deliver(good(1));
  await clock.advance(1);
  assert.deepEqual([first.value, second.value?.rttMs], [undefined, 5]);
  deliver(good(0));
  deliver(good(0));
  await clock.advance(1);
  assert.deepEqual(first.value?.from, SERVER);
});

test('a socket that is lost, and one whose device has another port now, ends for those who hold it', async () => {
  const { agent, opened, bound } = setUp();
  const lost = new StunmeshError('ERR_CAPTURE_LOST', 'gone');
  await using first = await agent.acquire(4, free);
  opened[0]?.onFault(lost);
  assert.equal(first.lost.reason, lost);
  await using second = await agent.acquire(4, free);
  assert.equal(second.lost.aborted, false);
  bound.key = 'b';
  await using third = await agent.acquire(4, free);
  assert.equal((second.lost.reason as StunmeshError).code, 'ERR_CAPTURE_LOST');
  assert.equal(third.lost.aborted, false);
  assert.equal(opened.length, 3);
});

test('one that gives up while the socket opens leaves it to the others', async () => {
  const { agent, opened, open } = setUp();
  const caller = new AbortController();
  const given = agent.acquire(4, caller.signal);
  const kept = agent.acquire(4, free);
  caller.abort(new Error('enough'));
  await assert.rejects(given, /enough/);
  await using socket = await kept;
  assert.deepEqual([opened.length, open.size, socket.lost.aborted], [1, 1, false]);
});

test('requests are for the handler from the moment that they are wanted; answers to its own questions are too', async () => {
  const heard: string[] = [];
  const handler = {
    onRequest: (_: StunMessage, { from }: StunMessageEvent) => void heard.push(`request ${from.address}`),
    onResponse: (_: StunMessage, { from }: StunMessageEvent) => void heard.push(`response ${from.address}`),
  };
  const { agent, opened, passed, deliver, sent } = setUp();
  const message = (kind: 'request' | 'success', id = new Uint8Array(12)) =>
    formatMessage({ class: kind, method: 1, transactionId: id, attributes: [] });
  await using socket = await agent.acquire(4, free);
  await using _deaf = await agent.acquireForSending(6, free);
  deliver(message('request'));
  assert.deepEqual([heard, opened[0]?.requests], [[], undefined]);
  const requests = { tags: [7] };
  await agent.passRequests(requests, handler);
  assert.deepEqual(passed, [requests], 'the one that hears nothing is left alone');
  deliver(message('request'), { from: '192.0.2.9:7' });
  const id = Uint8Array.of(...socket.transactionPrefix, ...new Uint8Array(8));
  await socket.send(message('request', id), SERVER, { sourcePort: 40_001 });
  assert.deepEqual(sent[0]?.options, { sourcePort: 40_001 });
  deliver(message('success', id), { port: 40_001 });
  deliver(Uint8Array.of(1, 2, 3));
  assert.deepEqual(heard, ['request 192.0.2.9', 'response 198.51.100.1']);
  await using _six = await agent.acquire(6, free);
  assert.deepEqual(opened[2]?.requests, requests);
  await agent.passRequests(undefined, handler);
  deliver(message('request'));
  assert.equal(heard.length, 2);
});

test('a question from another port of ours counts the answer to that port', async () => {
  const { agent, clock, deliver, good } = setUp();
  await using socket = await agent.acquire(4, free);
  const outcome = watch(socket.ask({ server: SERVER, signal: free, sourcePort: 40_001 }), clock);
  deliver(good(), { port: 40_001 });
  await clock.advance(1);
  assert.ok(outcome.value);
});

test('a capture that hands no requests over says so, once they are wanted', async () => {
  const { agent } = setUp({ passes: false });
  await using _socket = await agent.acquire(4, free);
  const handler = { onRequest() {} };
  await agent.passRequests(undefined, handler);
  await assert.rejects(agent.passRequests({ tags: [7] }, handler), { code: 'ERR_CAPTURE_OPEN' });
});

const damaged: readonly [what: string, change: (good: Uint8Array) => Uint8Array, said: RegExp][] = [
  ['whose attributes are not padded', (good) => unpadded(good), /attributes are not padded/],
  ['with bytes behind its end', (good) => Uint8Array.of(...good, 0, 0, 0), /3 bytes follow its end/],
  ['that is cut', (good) => good.slice(0, -4), /4 bytes are missing/],
];

for (const [what, change, said] of damaged) {
  test(`an answer ${what} is told with its sender, and the right one still counts`, async () => {
    const { agent, clock, deliver, good } = setUp();
    await using socket = await agent.acquire(4, free);
    const remarks: string[] = [];
    const ask = () =>
      socket.ask({ server: SERVER, signal: free, timeoutMs: 2_000, onRemark: ({ message }) => remarks.push(message) });
    const helped = watch(ask(), clock);
    deliver(change(good()));
    deliver(good());
    await clock.advance(1);
    assert.ok(helped.value);
    assert.match(remarks[0] ?? '', said);
    const alone = watch(ask(), clock);
    deliver(change(good(1)));
    await clock.advance(2_000);
    const { code, message } = alone.error as StunmeshError;
    assert.equal(code, 'ERR_STUN_REFUSED');
    assert.match(message, /an answer of 198\.51\.100\.1:3478 came from 198\.51\.100\.1:3478 and does not count/);
    assert.match(message, said);
  });
}

test('F1 an answer from another address, or to another port, does not count and is told', async () => {
  for (const [where, said] of [
    [{ from: '192.0.2.66:3478' }, /came from 192\.0\.2\.66:3478 .*not the address that was asked/],
    [{ port: 4_500 }, /it came to port 4500, not to 51820/],
  ] as const) {
    const { agent, clock, deliver, good } = setUp();
    await using socket = await agent.acquire(4, free);
    const outcome = watch(socket.ask({ server: SERVER, signal: free, timeoutMs: 500 }), clock);
    deliver(good(), where);
    await clock.advance(500);
    assert.match(String(outcome.error), said);
  }
});

/** With a SOFTWARE attribute of five bytes and no padding behind it. */
function unpadded(good: Uint8Array): Uint8Array {
  const bytes = Uint8Array.of(...good, 0x80, 0x22, 0, 5, 1, 2, 3, 4, 5);
  new DataView(bytes.buffer).setUint16(2, bytes.length - 20);
  return bytes;
}
