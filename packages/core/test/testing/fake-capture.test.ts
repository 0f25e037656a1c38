import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type NetworkEvent } from '#src/api/index.js';
import { captureCases } from '#src/conformance/capture.js';
import { createInbox } from '#src/conformance/inbox.js';
import { encodeEcho, parseEcho } from '#src/net/icmp.js';
import { captureError, createFakeCapture, type SentMessage } from '#src/testing/fake-capture.js';

const PORT = 51820;
const UNREACHABLE = { 4: '203.0.113.9', 6: '2001:db8:9::9' } as const;
const LOCAL = { 4: '192.168.1.2', 6: '2001:db8:1::2' } as const;
const FAR = { 4: '198.51.100.7', 6: '2001:db8:7::7' } as const;

for (const family of [4, 6] as const) {
  const fake = createFakeCapture();
  const arrived = createInbox<SentMessage>(1000);
  let taken = 0;
  fake.onSend = (sent) => arrived.push(sent);
  fake.onEcho = ({ packet, to, device }) => {
    const echo = parseEcho(family, packet);
    if (echo)
      queueMicrotask(() => fake.deliverEcho(device, family, encodeEcho(family, { ...echo, kind: 'reply' }), to));
  };
  fake.setRoute(UNREACHABLE[family], undefined);
  fake.loseDevice('no-such-device');
  const far = { family, address: FAR[family], port: 3478 };
  const cases = captureCases({
    module: fake,
    family,
    localPort: PORT,
    localAddress: LOCAL[family],
    interface: 'eth0',
    far,
    unreachable: UNREACHABLE[family],
    async received() {
      const { message, localPort } = await arrived.at(taken, 'a message');
      taken += 1;
      return { message, from: { family, address: LOCAL[family], port: localPort } };
    },
    async sendFromFar(message, toPort) {
      fake.deliver(message, far, { localPort: toPort, address: LOCAL[family], interface: 'eth0' });
    },
    async changeNetwork() {
      fake.change({ kind: 'link', interface: 'eth0' });
    },
    vanishingDevice: async () => ({ name: 'wg9', vanish: async () => fake.loseDevice('wg9') }),
  });
  for (const { name, run } of cases)
    test(`the fake capture, IPv${family}: ${name}`, async (t) => {
      const result = await run();
      if (result) t.skip(result.skipped);
    });
}

test('the fake capture keeps what was sent, and fails as it is told', async () => {
  const fake = createFakeCapture();
  const options = {
    family: 4,
    localPort: PORT,
    excludeDevice: 'wg0',
    firewallMark: 7,
    signal: new AbortController().signal,
    onMessage: () => {},
    onFault: () => {},
  } as const;
  const socket = await fake.openStunSocket(options);
  const to = { family: 4, address: '192.0.2.1', port: 1 } as const;
  await socket.send(Uint8Array.of(0), to);
  assert.deepEqual(fake.sent, [{ message: Uint8Array.of(0), to, localPort: PORT, firewallMark: 7 }]);
  fake.fail('send', captureError('ERR_CAPTURE_BLOCKED'));
  await assert.rejects(socket.send(Uint8Array.of(0), to), (error) => hasCode(error, 'ERR_CAPTURE_BLOCKED'));
  assert.equal(fake.sent.length, 1);
  fake.fail('send', undefined);
  await socket.send(Uint8Array.of(0), to);
  fake.fail('openStunSocket', captureError('ERR_CAPTURE_PERMISSION'));
  await assert.rejects(fake.openStunSocket(options), (error) => hasCode(error, 'ERR_CAPTURE_PERMISSION'));
  await socket[Symbol.asyncDispose]();
  assert.equal(fake.stunSockets.size, 0);
});

test('the fake capture faults STUN sockets once, and forgets them', async () => {
  const fake = createFakeCapture();
  const faults: unknown[] = [];
  await fake.openStunSocket({
    family: 6,
    localPort: PORT,
    excludeDevice: 'wg0',
    firewallMark: 0,
    signal: new AbortController().signal,
    onMessage: () => {},
    onFault: (error) => faults.push(error),
  });
  fake.loseStunSockets();
  fake.loseStunSockets();
  assert.equal(faults.length, 1);
  assert.ok(hasCode(faults[0], 'ERR_CAPTURE_LOST'));
});

test('the fake capture counts its watchers and knows a route by device', async () => {
  const fake = createFakeCapture();
  const events: NetworkEvent[] = [];
  const watch = await fake.watchNetwork({ onChange: (event) => events.push(event), onFault: () => {} });
  assert.equal(fake.watchers, 1);
  fake.change({ kind: 'route' });
  assert.deepEqual(events, [{ kind: 'route' }]);
  await watch[Symbol.asyncDispose]();
  assert.equal(fake.watchers, 0);
  fake.setRoute('10.0.0.2', { interface: 'wg0', source: '10.0.0.1' }, { device: 'wg0' });
  assert.deepEqual(await fake.routeTo?.({ to: '10.0.0.2', firewallMark: 0, device: 'wg0' }), {
    interface: 'wg0',
    source: '10.0.0.1',
  });
  assert.equal((await fake.routeTo?.({ to: '10.0.0.2', firewallMark: 0 }))?.interface, 'eth0');
});

test('a route may be for packets of one mark or one table alone, and sending goes by it too', async () => {
  const fake = createFakeCapture();
  const way = async (firewallMark: number, fib?: number) =>
    (await fake.routeTo?.({ to: '203.0.113.5', firewallMark, ...(fib === undefined ? {} : { fib }) }))?.interface;
  fake.setRoute('203.0.113.5', { interface: 'wg0', source: '10.0.0.1' });
  fake.setRoute('203.0.113.5', { interface: 'eth0', source: '192.168.1.2' }, { firewallMark: 7 });
  fake.setRoute('203.0.113.5', { interface: 'eth1', source: '192.168.2.2' }, { fib: 3 });
  assert.deepEqual([await way(0), await way(7), await way(0, 3), await way(0, 0)], ['wg0', 'eth0', 'eth1', 'wg0']);
  fake.setRoute('203.0.113.5', undefined, { fib: 4, firewallMark: 7 });
  const to = { family: 4, address: '203.0.113.5', port: 9 } as const;
  const open = (fib: number) =>
    fake.openStunSocket({
      family: 4,
      localPort: 1,
      excludeDevice: 'wg0',
      firewallMark: 7,
      fib,
      signal: new AbortController().signal,
      onMessage() {},
      onFault() {},
    });
  await (await open(3)).send(Uint8Array.of(0), to);
  assert.deepEqual([fake.sent[0]?.firewallMark, fake.sent[0]?.fib], [7, 3]);
  await assert.rejects((await open(4)).send(Uint8Array.of(0), to), { code: 'ERR_CAPTURE_UNREACHABLE' });
});
