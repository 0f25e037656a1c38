/** What every capture module's STUN socket does. */
import assert from 'node:assert/strict';
import type { Endpoint } from '../api/index.js';
import { formatEndpoint } from '../net/index.js';
import {
  type CaptureCases,
  type CaptureHarness,
  COOKIE,
  checkRequest,
  openStun as open,
  rejects,
  stunMessage,
} from './capture-harness.js';

export function stunCases(harness: CaptureHarness): CaptureCases {
  const { family, far, localPort } = harness;
  const openStun = (more?: Parameters<typeof open>[1]) => open(harness, more);
  return {
    'a message leaves from the port that another socket owns, unchanged, whatever its bytes': async () => {
      await using stun = await openStun();
      for (const message of [stunMessage(0x0001, 1), Uint8Array.of(0), new Uint8Array(1200).fill(0xff)]) {
        await stun.socket.send(message, far);
        const { message: got, from } = await harness.received();
        assert.deepEqual(Uint8Array.from(got), message);
        assert.equal(formatEndpoint(from), formatEndpoint({ family, address: harness.localAddress, port: localPort }));
      }
      return undefined;
    },

    'a socket that is only for sending sends from the port too': async () => {
      await using stun = await openStun({ sendOnly: true });
      await stun.socket.send(Uint8Array.of(0), far);
      const { message, from } = await harness.received();
      assert.deepEqual(Uint8Array.from(message), Uint8Array.of(0));
      assert.equal(from.port, localPort);
      await stun.socket[Symbol.asyncDispose]();
      await rejects(stun.socket.send(Uint8Array.of(0), far), 'ERR_CLOSED');
      return undefined;
    },

    'F3 success and error responses arrive with where from and where to': async () => {
      await using stun = await openStun();
      for (const [i, type] of [0x0101, 0x0111].entries()) {
        const message = stunMessage(type, i);
        await harness.sendFromFar(message, localPort);
        const event = await stun.inbox.at(i, 'a response');
        assert.deepEqual(Uint8Array.from(event.message), message);
        assert.equal(formatEndpoint(event.from), formatEndpoint(far));
        assert.equal(event.to.port, localPort);
        assert.ok([harness.localAddress, '0.0.0.0', '::'].includes(event.to.address), event.to.address);
        if (event.interface !== undefined) assert.equal(event.interface, harness.interface);
      }
      assert.equal(stun.faults.length, 0);
      return undefined;
    },

    "F3 requests, WireGuard's messages and other ports stay outside": async () => {
      await using stun = await openStun();
      const wireguard = Uint8Array.of(4, 0, 0, 0, ...COOKIE, ...new Array<number>(24).fill(1));
      for (const message of [stunMessage(0x0001, 1), wireguard, Uint8Array.of(0)])
        await harness.sendFromFar(message, localPort);
      await harness.sendFromFar(stunMessage(0x0101, 1), localPort + 1);
      await harness.sendFromFar(stunMessage(0x0101, 99), localPort);
      const event = await stun.inbox.at(0, 'the one good response');
      assert.equal(event.message[8], 99);
      return undefined;
    },

    'F3 a response whose transaction id has not the prefix of the socket stays outside': async () => {
      await using stun = await openStun({ transactionPrefix: Uint8Array.of(1, 2, 3, 4) });
      const good = stunMessage(0x0101, 9);
      good.set([1, 2, 3, 4], 8);
      const forged = [stunMessage(0x0101, 1), stunMessage(0x0111, 1), good.with(8, 2), good.with(11, 5)];
      for (const message of [...forged, good]) await harness.sendFromFar(message, localPort);
      assert.deepEqual(Uint8Array.from((await stun.inbox.at(0, 'the one good response')).message), good);
      await using other = await openStun({ transactionPrefix: Uint8Array.of(1, 2, 3, 5) });
      await harness.sendFromFar(good, localPort);
      await stun.inbox.at(1, 'the response once more');
      assert.equal(other.inbox.items.length, 0, 'each socket has a prefix of its own');
      return undefined;
    },

    'requests that are asked for arrive, by their tags, until others are asked for': async () => {
      await using stun = await openStun({ requests: { tags: [0xcafe0001] } });
      const { passRequests } = stun.socket;
      if (!passRequests) return { skipped: 'the socket has no passRequests' };
      const sendAll = async (fill: number) => {
        for (const tag of [0xcafe0001, 0xcafe0002, 0xcafe0003])
          await harness.sendFromFar(checkRequest(tag, fill), localPort);
        await harness.sendFromFar(stunMessage(0x0001, fill), localPort);
        await harness.sendFromFar(stunMessage(0x0101, fill), localPort);
      };
      const heard = async (index: number) => {
        const { message } = await stun.inbox.at(index, `message ${index}`);
        return message.length === 72 ? `request ${message[27]} ${message[8]}` : `answer ${message[8]}`;
      };
      await sendAll(1);
      assert.deepEqual([await heard(0), await heard(1)], ['request 1 1', 'answer 1']);
      assert.equal(formatEndpoint((await stun.inbox.at(0, 'a request')).from), formatEndpoint(far));
      await passRequests({ tags: [0xcafe0002, 0xcafe0003] });
      await sendAll(2);
      assert.deepEqual([await heard(2), await heard(3), await heard(4)], ['request 2 2', 'request 3 2', 'answer 2']);
      // More than a program tests one by one.
      await passRequests({ tags: [...Array.from({ length: 400 }, (_, i) => i), 0xcafe0003] });
      await sendAll(3);
      assert.deepEqual([await heard(5), await heard(6)], ['request 3 3', 'answer 3']);
      await passRequests(undefined);
      await sendAll(4);
      assert.equal(await heard(7), 'answer 4');
      await stun.socket[Symbol.asyncDispose]();
      await rejects(passRequests({ tags: [1] }), 'ERR_CLOSED');
      return undefined;
    },

    'ports that are asked for are heard too': async () => {
      const port = localPort + 1;
      await using stun = await openStun({ requests: { tags: [7], ports: { first: port, last: port } } });
      if (!stun.socket.passRequests) return { skipped: 'the socket has no passRequests' };
      await harness.sendFromFar(checkRequest(7, 1), port);
      await harness.sendFromFar(stunMessage(0x0101, 2), port);
      assert.equal((await stun.inbox.at(0, 'a request')).to.port, port);
      assert.equal((await stun.inbox.at(1, 'an answer')).to.port, port);
      return undefined;
    },

    'a message leaves from another port, and with another TTL, where that is asked for': async () => {
      await using stun = await openStun();
      await stun.socket.send(Uint8Array.of(1), far, { sourcePort: 40_123 });
      assert.equal((await harness.received()).from.port, 40_123);
      await stun.socket.send(Uint8Array.of(2), far, { ttl: 1 });
      await stun.socket.send(Uint8Array.of(3), far);
      assert.deepEqual([(await harness.received()).message[0], (await harness.received()).message[0]], [2, 3]);
      await rejects(stun.socket.send(Uint8Array.of(4), far, { ttl: 0 }), 'ERR_CAPTURE_SEND');
      await rejects(stun.socket.send(Uint8Array.of(4), far, { sourcePort: 65_536 }), 'ERR_CAPTURE_SEND');
      return undefined;
    },

    'F4 what came before the socket was opened is not in it': async () => {
      await harness.sendFromFar(stunMessage(0x0101, 1), localPort);
      await using stun = await openStun();
      await harness.sendFromFar(stunMessage(0x0101, 2), localPort);
      assert.equal((await stun.inbox.at(0, 'a response')).message[8], 2);
      return undefined;
    },

    'a device that is excluded is not heard': async () => {
      await using deaf = await openStun({ excludeDevice: harness.interface });
      await using stun = await openStun();
      await harness.sendFromFar(stunMessage(0x0101, 3), localPort);
      await stun.inbox.at(0, 'a response on the other socket');
      await harness.sendFromFar(stunMessage(0x0101, 4), localPort);
      await stun.inbox.at(1, 'a second response');
      assert.equal(deaf.inbox.items.length, 0);
      return undefined;
    },

    'closing is idempotent, and afterwards nothing is sent or heard': async () => {
      const stun = await openStun();
      await stun.socket[Symbol.asyncDispose]();
      await stun.socket[Symbol.asyncDispose]();
      await rejects(stun.socket.send(stunMessage(1, 1), far), 'ERR_CLOSED');
      await using witness = await openStun();
      await harness.sendFromFar(stunMessage(0x0101, 5), localPort);
      await witness.inbox.at(0, 'a response on another socket');
      assert.equal(stun.inbox.items.length, 0);
      assert.equal(stun.faults.length, 0);
      return undefined;
    },

    'the signal closes the socket, and an aborted one opens none': async () => {
      const controller = new AbortController();
      const reason = new Error('enough');
      const stun = await openStun({ signal: controller.signal });
      controller.abort(reason);
      await rejects(stun.socket.send(stunMessage(1, 1), far), 'ERR_CLOSED');
      await stun.socket[Symbol.asyncDispose]();
      await assert.rejects(openStun({ signal: controller.signal }), reason);
      return undefined;
    },

    'an address without a route is unreachable, and the socket goes on': async () => {
      await using stun = await openStun();
      await rejects(
        stun.socket.send(stunMessage(1, 1), { ...far, address: harness.unreachable }),
        'ERR_CAPTURE_UNREACHABLE',
      );
      await stun.socket.send(stunMessage(1, 6), far);
      assert.equal((await harness.received()).message[8], 6);
      return undefined;
    },

    'an endpoint of the other family is refused': async () => {
      await using stun = await openStun();
      const other: Endpoint =
        family === 4 ? { family: 6, address: '::1', port: 9 } : { family: 4, address: '127.0.0.1', port: 9 };
      await rejects(stun.socket.send(stunMessage(1, 1), other), 'ERR_CAPTURE_SEND');
      return undefined;
    },
  };
}
