/** `node use-addon.mjs FILE`: loads the addon and sends a packet to itself, received by the addon's own thread; no privileges needed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import process from 'node:process';

const native = createRequire(import.meta.url)(process.argv[2]);
const { AF_INET, SOCK_DGRAM, IPPROTO_UDP } = native.constants;

const receiver = native.open(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
const loopback = new Uint8Array(16);
new Uint16Array(loopback.buffer, 0, 1)[0] = AF_INET;
loopback.set([127, 0, 0, 1], 4);
native.bind(receiver, loopback);
const address = native.localAddress(receiver);
assert.deepEqual([...address.subarray(4, 8)], [127, 0, 0, 1]);

const packet = Uint8Array.from({ length: 100 }, (_, index) => index);
const heard = new EventTarget();
native.start(receiver, 2048, (error, received, from) => {
  assert.equal(error, undefined);
  assert.deepEqual(received, packet);
  assert.deepEqual([...from.subarray(4, 8)], [127, 0, 0, 1]);
  heard.dispatchEvent(new Event('packet'));
});
const sender = native.open(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
const arrived = once(heard, 'packet');
native.send(sender, packet, address);
await arrived;
native.close(sender);
native.close(receiver);
native.close(receiver);
assert.throws(() => native.send(sender, packet, address), { syscall: 'sendto' });
assert.equal(native.interfaceName(native.interfaceIndex('lo')), 'lo');
process.stdout.write(`${process.platform} ${process.arch}\n`);
