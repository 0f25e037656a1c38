/** Requests that a STUN socket passes on a FreeBSD that is played: the filter of each bpf device, its limit, and what is handed over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type StunMessageEvent, type StunSocketOptions } from '@stunmesh/core/api';
import { createStunFilter, encodeBpf, PACKET_LAYOUTS, type StunMatch } from '@stunmesh/core/net';
import { openBpfSource } from '#src/bpf-source.js';
import { createRouteMonitor } from '#src/route-monitor.js';
import { createSharedSources } from '#src/shared-sources.js';
import { openStunSocket } from '#src/stun-socket.js';
import { createFakeNative, systemError } from './fake-native.js';
import { ethernet, ip4, PORT, stun, udp } from './frames.js';

const PREFIX = Uint8Array.of(7, 7, 7, 7);

function start() {
  const native = createFakeNative();
  native.setInterfaces([{ name: 'em0', addresses: ['192.0.2.1', '2001:db8::1'] }, { name: 'em1' }]);
  native.source = '192.0.2.1';
  const parts = {
    native,
    monitor: createRouteMonitor(native),
    openSource: createSharedSources(async (...args) => openBpfSource(native, args[0], args[1], args[2])),
    oneProcessPerSource: false,
  };
  const heard: StunMessageEvent[] = [];
  const open = (more: Partial<StunSocketOptions> = {}) =>
    openStunSocket(parts, {
      family: 4,
      localPort: PORT,
      excludeDevice: 'wg0',
      firewallMark: 0,
      transactionPrefix: PREFIX,
      signal: new AbortController().signal,
      onMessage: (event) => heard.push(event),
      onFault: (error) => assert.fail(error),
      ...more,
    });
  const devices = () => native.openOnes('bpf');
  const filterOf = (match: StunMatch) => encodeBpf(createStunFilter(PACKET_LAYOUTS.EN10MB, match), 'LE');
  return { native, heard, open, devices, filterOf };
}

function request(tag: number): Uint8Array {
  const bytes = new Uint8Array(72);
  bytes.set([0, 1, 0, 52, 0x21, 0x12, 0xa4, 0x42]);
  bytes.set([0, 6, 0, 8], 20);
  new DataView(bytes.buffer).setUint32(24, tag);
  return bytes;
}

test('F3 both families share a device, whose filter has the prefixes of both', async () => {
  const { open, devices, filterOf } = start();
  await open();
  await open({ family: 6, transactionPrefix: Uint8Array.of(8, 8, 8, 8) });
  assert.equal(devices().length, 2);
  for (const { filter } of devices())
    assert.deepEqual(filter, filterOf({ localPort: PORT, prefixes: [0x07070707, 0x08080808] }));
});

test('passRequests replaces the filter of each device without a flush, and the reader lets 2,000 requests a second through', async () => {
  const { open, devices, filterOf, heard } = start();
  await using socket = await open();
  await socket.passRequests?.({ tags: [1, 2] });
  for (const { calls, filter, limit } of devices()) {
    assert.deepEqual(calls.slice(-2), ['startFrames', 'replaceBpfFilter']);
    assert.deepEqual(filter, filterOf({ localPort: PORT, prefixes: [0x07070707], requests: { tags: [1, 2] } }));
    // Behind 14 bytes of Ethernet, with and without a tag, behind either IP header.
    assert.deepEqual(limit, [2000, 1, Uint8Array.of(42, 62, 46, 66)]);
  }
  const [em0] = devices();
  for (const message of [request(2), request(3), stun(0x0101), stun(0x0001)]) {
    const frame = ethernet(ip4(udp(message)));
    em0?.onFrame?.(undefined, frame, frame.length);
  }
  assert.deepEqual(
    heard.map(({ message }) => message.length),
    [72, 20],
  );
});

test('an interface that comes later gets the requests of now; a device that refuses its filter is told', async () => {
  const { native, open, devices, filterOf } = start();
  await using socket = await open({ requests: { tags: [5] } });
  await socket.passRequests?.({ tags: [6], ports: { first: 20_000, last: 20_001 } });
  const last = {
    localPort: PORT,
    requests: { tags: [6] },
    ports: { first: 20_000, last: 20_001 },
    prefixes: [0x07070707],
  };
  for (const { filter } of devices()) assert.deepEqual(filter, filterOf(last));
  native.failures.set('replaceBpfFilter', systemError('EINVAL', 'BIOCSETFNR'));
  await assert.rejects(socket.passRequests?.({ tags: [7] }) ?? Promise.resolve(), (error) =>
    hasCode(error, 'ERR_CAPTURE_OPEN'),
  );
});
