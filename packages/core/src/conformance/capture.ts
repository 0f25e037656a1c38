/** What every capture module does, on whichever system: the contract of api/capture as a list of cases. */
import assert from 'node:assert/strict';
import {
  type CaptureModule,
  type Endpoint,
  type ErrorCode,
  type Family,
  hasCode,
  type NetworkEvent,
  type StunMessageEvent,
  type StunmeshError,
  type StunSocketOptions,
} from '../api/index.js';
import { encodeEcho, formatEndpoint, parseEcho } from '../net/index.js';
import type { ConformanceCase } from './case.js';
import { createInbox } from './inbox.js';

/** A module, and a far side that the harness plays on a network of its own. */
export interface CaptureHarness {
  readonly module: CaptureModule;
  readonly family: Family;
  /** A UDP port here that another socket of the harness owns, as WireGuard would. */
  readonly localPort: number;
  /** Our address and interface towards the far side. */
  readonly localAddress: string;
  readonly interface: string;
  /** A UDP socket of the far side. Its host answers pings. */
  readonly far: Endpoint;
  /** The next datagram that arrived there, in order. */
  received(): Promise<{ readonly message: Uint8Array; readonly from: Endpoint }>;
  /** The far side sends a datagram from `far` to this port of ours; resolves once it is here (where `localPort` is its port). */
  sendFromFar(message: Uint8Array, toPort: number): Promise<void>;
  /** An address without a route. */
  readonly unreachable: string;
  /** Changes something that watchers of the network hear of. */
  changeNetwork(): Promise<void>;
  /** A device that echo sockets can be bound to and that can vanish: its name, and how to make it vanish; absent: cannot be had. */
  vanishingDevice?(): Promise<{ readonly name: string; vanish(): Promise<void> }>;
  /** How long something that must happen may take, in milliseconds. Default 5000. */
  readonly patienceMs?: number;
}

const COOKIE = [0x21, 0x12, 0xa4, 0x42];
const never = new AbortController().signal;

/** A STUN header with this type; `tag` tells messages apart. */
function stunMessage(type: number, tag: number): Uint8Array {
  return Uint8Array.of(type >> 8, type & 0xff, 0, 0, ...COOKIE, ...new Array<number>(12).fill(tag));
}

async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(
    promise,
    (error) => hasCode(error, code) || assert.fail(`${code} expected, not ${String(error)}`),
  );
}

/** The cases; each opens and closes its own sockets. */
export function captureCases(harness: CaptureHarness): ConformanceCase[] {
  const { module, family, far, localPort, patienceMs = 5000 } = harness;

  const openStun = async (more: Partial<StunSocketOptions> = {}) => {
    const inbox = createInbox<StunMessageEvent>(patienceMs);
    const faults: StunmeshError[] = [];
    const socket = await module.openStunSocket({
      family,
      localPort,
      excludeDevice: 'no-such-device',
      firewallMark: 0,
      signal: never,
      onMessage: (event) => inbox.push(event),
      onFault: (error) => faults.push(error),
      ...more,
    });
    return { socket, inbox, faults, [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose]() };
  };

  const openEcho = async (device: string) => {
    const inbox = createInbox<{ icmp: Uint8Array; from: string }>(patienceMs);
    const faults = createInbox<StunmeshError>(patienceMs);
    const socket = await module.openEchoSocket({
      family,
      device,
      onPacket: (icmp, from) => inbox.push({ icmp, from }),
      onFault: (error) => faults.push(error),
    });
    return { socket, inbox, faults, [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose]() };
  };

  const cases: Record<string, () => Promise<undefined | { skipped: string }>> = {
    'it says what it is': async () => {
      assert.equal(module.kind, 'capture');
      assert.equal(module.apiVersion, 1);
      assert.match(module.name, /^[a-z][a-z0-9-]*$/);
      assert.ok(module.platforms.length > 0);
      return undefined;
    },

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

    'the interfaces show loopback and the one towards the far side, with their addresses': async () => {
      const interfaces = await module.listInterfaces();
      const own = interfaces.find((i) => i.name === harness.interface);
      assert.ok(own?.up && !own.loopback && own.index > 0);
      assert.ok(
        own.addresses.some((a) => a.family === family && a.address === harness.localAddress && a.prefixLength > 0),
      );
      assert.ok(interfaces.some((i) => i.loopback));
      return undefined;
    },

    'a route names interface and source, or is undefined': async () => {
      if (!module.routeTo) return { skipped: 'the module has no routeTo' };
      assert.deepEqual(await module.routeTo({ to: far.address, firewallMark: 0 }), {
        interface: harness.interface,
        source: harness.localAddress,
      });
      assert.equal(await module.routeTo({ to: harness.unreachable, firewallMark: 0 }), undefined);
      assert.equal(await module.routeTo({ to: far.address, firewallMark: 0, device: 'no-such-device' }), undefined);
      return undefined;
    },

    'F27 a changed network is reported until the watch is closed': async () => {
      const inbox = createInbox<NetworkEvent>(patienceMs);
      const listen = (on: (event: NetworkEvent) => void) =>
        module.watchNetwork({ onChange: on, onFault: (error) => assert.fail(error) });
      const watch = await listen((event) => inbox.push(event));
      await harness.changeNetwork();
      await inbox.at(0, 'a network event');
      await watch[Symbol.asyncDispose]();
      await watch[Symbol.asyncDispose]();
      const heard = inbox.items.length;
      const witnessed = createInbox<NetworkEvent>(patienceMs);
      await using _witness = await listen((event) => witnessed.push(event));
      await harness.changeNetwork();
      await witnessed.at(0, 'a network event of a second watch');
      assert.equal(inbox.items.length, heard);
      return undefined;
    },
  };
  return Object.entries(cases).map(([name, run]) => ({ name, run }));
}
