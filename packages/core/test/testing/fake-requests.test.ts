import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type StunMessageEvent } from '#src/api/index.js';
import { createFakeCapture } from '#src/testing/index.js';

const FROM = { family: 4, address: '198.51.100.7', port: 3478 } as const;

function request(tag: number): Uint8Array {
  const bytes = new Uint8Array(72);
  bytes.set([0, 1, 0, 52, 0x21, 0x12, 0xa4, 0x42]);
  bytes.set([0, 6, 0, 8], 20);
  new DataView(bytes.buffer).setUint32(24, tag);
  return bytes;
}

test('the fake passes the requests that are asked for, to the ports that are asked for, and notes how a message was sent', async () => {
  const fake = createFakeCapture();
  const heard: StunMessageEvent[] = [];
  const socket = await fake.openStunSocket({
    family: 4,
    localPort: 51820,
    excludeDevice: 'wg0',
    firewallMark: 0,
    transactionPrefix: Uint8Array.of(1, 2, 3, 4),
    requests: { tags: [1] },
    signal: new AbortController().signal,
    onMessage: (event) => heard.push(event),
    onFault: (error) => assert.fail(error),
  });
  const arrive = (tag: number, localPort = 51820) => fake.deliver(request(tag), FROM, { localPort });
  assert.deepEqual([arrive(1), arrive(2), arrive(1, 20_000)], [1, 0, 0]);
  await socket.passRequests?.({ tags: [2], ports: { first: 20_000, last: 20_001 } });
  assert.deepEqual([arrive(1), arrive(2), arrive(2, 20_000), arrive(2, 20_002)], [0, 1, 1, 0]);
  assert.deepEqual(
    heard.map(({ to }) => to.port),
    [51820, 51820, 20_000],
  );
  await socket.send(Uint8Array.of(0), FROM, { ttl: 3, sourcePort: 20_000 });
  assert.deepEqual(fake.sent[0]?.options, { ttl: 3, sourcePort: 20_000 });
  await socket[Symbol.asyncDispose]();
  await assert.rejects(socket.passRequests?.(undefined) ?? Promise.resolve(), (error) => hasCode(error, 'ERR_CLOSED'));
});
