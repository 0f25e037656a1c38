/** What every capture module's echo socket does. */
import assert from 'node:assert/strict';
import { hasCode, type StunmeshError } from '../api/index.js';
import { encodeEcho, parseEcho } from '../net/index.js';
import { type CaptureCases, type CaptureHarness, patienceOf, rejects } from './capture-harness.js';
import { createInbox } from './inbox.js';

export function echoCases(harness: CaptureHarness): CaptureCases {
  const { module, family, far } = harness;
  const openEcho = async (device: string) => {
    const inbox = createInbox<{ icmp: Uint8Array; from: string }>(patienceOf(harness));
    const faults = createInbox<StunmeshError>(patienceOf(harness));
    const socket = await module.openEchoSocket({
      family,
      device,
      onPacket: (icmp, from) => inbox.push({ icmp, from }),
      onFault: (error) => faults.push(error),
    });
    return { socket, inbox, faults, [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose]() };
  };
  return {
    'F28 an echo through a device is answered with its id, sequence and payload': async () => {
      await using echo = await openEcho(harness.interface);
      const payload = Uint8Array.from(Buffer.from('conformance'));
      for (const [i, ttl] of [undefined, 64, 255].entries()) {
        const request = encodeEcho(family, { kind: 'request', id: 0x5a5a, sequence: i + 1, payload });
        await echo.socket.send(request, far.address, ttl === undefined ? {} : { ttl });
        const { icmp, from } = await echo.inbox.at(i, 'a reply');
        assert.equal(from, far.address);
        const reply = parseEcho(family, icmp);
        assert.deepEqual(reply && { ...reply, payload: Uint8Array.from(reply.payload) }, {
          kind: 'reply',
          id: 0x5a5a,
          sequence: i + 1,
          payload,
        });
      }
      return undefined;
    },

    'an echo socket refuses addresses that are none of its family, and is closed once': async () => {
      const echo = await openEcho(harness.interface);
      const request = encodeEcho(family, { kind: 'request', id: 1, sequence: 1, payload: new Uint8Array() });
      await rejects(echo.socket.send(request, family === 4 ? '::1' : '127.0.0.1'), 'ERR_CAPTURE_SEND');
      await rejects(echo.socket.send(request, 'nonsense'), 'ERR_CAPTURE_SEND');
      await echo.socket[Symbol.asyncDispose]();
      await echo.socket[Symbol.asyncDispose]();
      await rejects(echo.socket.send(request, far.address), 'ERR_CLOSED');
      return undefined;
    },

    'an echo socket for a device that is not there cannot be opened': async () => {
      await rejects(openEcho('no-such-device'), 'ERR_CAPTURE_OPEN');
      return undefined;
    },

    'F30 an echo socket whose device vanishes says so once': async () => {
      if (!harness.vanishingDevice) return { skipped: 'the harness cannot make a device vanish' };
      const device = await harness.vanishingDevice();
      await using echo = await openEcho(device.name);
      await device.vanish();
      assert.ok(hasCode(await echo.faults.at(0, 'a fault'), 'ERR_CAPTURE_LOST'));
      const request = encodeEcho(family, { kind: 'request', id: 1, sequence: 1, payload: new Uint8Array() });
      await rejects(echo.socket.send(request, far.address), 'ERR_CLOSED');
      assert.equal(echo.faults.items.length, 1);
      return undefined;
    },
  };
}
