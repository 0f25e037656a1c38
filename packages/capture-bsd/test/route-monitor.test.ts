import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type NetworkEvent } from '@stunmesh/core/api';
import { createRouteMonitor } from '#src/route-monitor.js';
import { createFakeNative, FREEBSD, systemError } from './fake-native.js';
import { join } from './frames.js';

const none = new Uint8Array();
/** RTM_IFINFO of interface 1 with these flags. */
const info = (flags: number) => join([24, 0, 5, 0xe, 0, 0, 0, 0, flags, 0, 0, 0, 1], new Array<number>(11).fill(0));
/** RTM_NEWADDR on interface 1. */
const ADDRESS = join([16, 0, 5, 0xc, 0, 0, 0, 0, 0, 0, 0, 0, 1], new Array<number>(3).fill(0));

function start(constants = FREEBSD) {
  const native = createFakeNative(constants);
  native.setInterfaces([{ name: 'em0' }]);
  const monitor = createRouteMonitor(native);
  const hear = (packet: Uint8Array) => native.openOnes()[0]?.onPacket?.(undefined, packet, none, none, 0);
  const fail = (code: string) => native.openOnes()[0]?.onPacket?.(systemError(code, 'recvmsg'), none, none, none, 0);
  return { native, monitor, hear, fail };
}

test('F27 one route socket serves all who listen, and is open while somebody does', () => {
  const { native, monitor, hear } = start();
  const heard: [string, NetworkEvent][] = [];
  const listen = (who: string) =>
    monitor.listen({ event: (event) => heard.push([who, event]), fault: (error) => assert.fail(error) });
  const [a, b] = [listen('a'), listen('b')];
  assert.equal(native.openOnes().length, 1);
  assert.deepEqual(native.openOnes()[0]?.kind, [FREEBSD.AF_ROUTE, FREEBSD.SOCK_RAW, 0]);
  hear(ADDRESS);
  a();
  a();
  hear(info(1));
  assert.deepEqual(heard, [
    ['a', { kind: 'address', interface: 'em0' }],
    ['b', { kind: 'address', interface: 'em0' }],
    ['b', { kind: 'link', interface: 'em0' }],
  ]);
  b();
  assert.deepEqual(native.openOnes(), []);
  listen('c');
  assert.equal(native.openOnes().length, 1);
});

test('F27 a link that says again what it said before is no monitor', () => {
  const { monitor, hear } = start();
  let links = 0;
  monitor.listen({
    event: () => {
      links += 1;
    },
    fault() {},
  });
  for (const flags of [0x41, 0x41, 0x41 | 0x80, 0x40, 0x41]) hear(info(flags));
  assert.equal(links, 3);
});

test('F27 when messages were lost everything may have changed, and reading goes on', () => {
  const { native, monitor, fail, hear } = start();
  const kinds: string[] = [];
  monitor.listen({ event: ({ kind }) => kinds.push(kind), fault: (error) => assert.fail(error) });
  fail('ENOBUFS');
  assert.deepEqual(kinds, ['link', 'address', 'route']);
  assert.equal(native.openOnes()[0]?.resumed, 1);
  hear(ADDRESS);
  assert.equal(kinds.length, 4);
});

test('a socket that fails is said once to everybody, and a new listener gets a new one', async () => {
  const { native, monitor, fail } = start();
  const faults: unknown[] = [];
  await using _watch = monitor.watch({ onChange() {}, onFault: (error) => faults.push(error) });
  const stop = monitor.listen({ event() {}, fault: (error) => faults.push(error.code) });
  fail('EIO');
  assert.ok(hasCode(faults[0], 'ERR_CAPTURE_LOST'));
  assert.deepEqual(faults.slice(1), ['EIO']);
  assert.deepEqual(native.openOnes(), []);
  stop();
  monitor.listen({ event() {}, fault() {} });
  assert.equal(native.openOnes().length, 1);
  native.failures.set('open', systemError('EMFILE', 'socket'));
  assert.throws(
    () => createRouteMonitor(native).listen({ event() {}, fault() {} }),
    (error) => hasCode(error, 'ERR_CAPTURE_OPEN'),
  );
});
