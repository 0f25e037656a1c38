/** The kernel's WireGuard by netlink: over scripted answers of a kernel, and over this machine's own kernel, whether it has WireGuard or not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Clock, hasCode, parsePublicKey, SecretKey } from '@stunmesh/core/api';
import { BYTE_ORDER, encodeNetlink, type NativeSocket, type SystemError } from '@stunmesh/core/capture-kit';
import capture from '#src/index.js';
import type { Native } from '#src/native.js';
import { createKernelWireGuard } from '#src/wireguard/kernel-wireguard.js';
import { DEVICE_WITH_THREE_PEERS, FAMILY, NO_DEVICE, NO_FAMILY, OTHER_DEVICE, peerInTwoParts } from './answers.js';

const options = { skip: BYTE_ORDER === 'LE' ? false : 'the bytes here are those of a little-endian machine' };
const { signal } = new AbortController();
/** Its pauses last as long as a turn of the event loop's queue. */
const clock: Pick<Clock, 'sleep'> = {
  sleep: async (_ms, ends) => {
    await undefined;
    ends?.throwIfAborted();
  },
};
const calm = { signal, clock };
const code =
  (wanted: string, text = /./) =>
  (error: unknown) =>
    hasCode(error, wanted as 'ERR_X') && text.test(String(error));
const key = parsePublicKey(Buffer.alloc(32, 2).toString('base64')) ?? assert.fail();
const PERMISSION = encodeNetlink({ type: 2, flags: 0, sequence: 0, body: Uint8Array.of(0xff, 0xff, 0xff, 0xff) });
const ACKNOWLEDGED = encodeNetlink({ type: 2, flags: 0, sequence: 0, body: new Uint8Array(4) });

/** A kernel that gives the answers of its list one after the other: an array is what one request brings, read by read. */
function scripted(...answers: readonly (readonly Uint8Array[])[]) {
  const waiting = [...answers];
  let current: Uint8Array[] = [];
  const log = {
    sent: [] as Uint8Array[],
    kept: [] as Uint8Array[],
    received: [] as Uint8Array[],
    opened: 0,
    closed: 0,
  };
  const calls = {
    constants: {
      AF_INET: 2,
      AF_INET6: 10,
      SOCKADDR_HAS_LENGTH: 0,
      AF_NETLINK: 16,
      SOCK_RAW: 3,
      SOL_SOCKET: 1,
      SO_RCVBUF: 8,
    },
    open() {
      log.opened += 1;
      return {} as NativeSocket;
    },
    setOption() {},
    bind() {},
    close() {
      log.closed += 1;
    },
    interfaceIndex: (name: string) => (name === 'absent' ? 0 : 7),
    interfaceName: (index: number) => (index === 1 ? 'lo' : ''),
    send(_: NativeSocket, bytes: Uint8Array) {
      log.sent.push(Uint8Array.from(bytes));
      log.kept.push(bytes);
      current = (waiting.shift() ?? []).map((answer) => Uint8Array.from(answer));
    },
    receive() {
      const answer = current.shift();
      if (answer) log.received.push(answer);
      return answer;
    },
  };
  return { kernel: createKernelWireGuard(() => calls as unknown as Native), calls, log };
}

/** The same with the flag that says that the device changed meanwhile. */
function interrupted(answer: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(answer);
  bytes[6] = (bytes[6] ?? 0) | 0x10;
  return bytes;
}

test('a device is read with its zone by name, and nothing of the answer stays in memory', options, async () => {
  const { kernel, log } = scripted([FAMILY], [DEVICE_WITH_THREE_PEERS]);
  const device = await kernel.read('wg0', calm);
  assert.equal(device.peers.size, 3);
  assert.equal([...device.peers.values()][1]?.endpoint?.zone, 'lo');
  assert.ok(log.received.at(-1)?.every((byte) => byte === 0));
  assert.deepEqual([log.opened, log.closed], [1, 1]);
});

test('a device that changes while it is read is read again, at most five times in all', options, async () => {
  const [first, second] = peerInTwoParts() as [Uint8Array, Uint8Array];
  const { kernel } = scripted([FAMILY], [first, interrupted(second)], [interrupted(first), second], [first, second]);
  assert.equal((await kernel.read('wg1', calm)).peers.size, 2);
  const restless = scripted([FAMILY], ...Array.from({ length: 9 }, () => [interrupted(DEVICE_WITH_THREE_PEERS)]));
  await assert.rejects(restless.kernel.read('wg0', calm), code('ERR_WG_FAILED', /5 times/));
  assert.equal(restless.log.sent.length, 6);
});

test('what is missing is told apart: interface, module, kind, right', options, async () => {
  const absent = scripted();
  await assert.rejects(absent.kernel.read('absent', calm), code('ERR_WG_DEVICE_NOT_FOUND', /no interface/));
  assert.equal(absent.log.opened, 0, 'the kernel is not made to look for its module');
  const read = (...answers: readonly Uint8Array[]) => scripted(...answers.map((a) => [a])).kernel.read('wg0', calm);
  await assert.rejects(read(NO_FAMILY), code('ERR_WG_DEVICE_NOT_FOUND', /module/));
  await assert.rejects(read(FAMILY, NO_DEVICE), code('ERR_WG_DEVICE_NOT_FOUND', /no interface/));
  await assert.rejects(read(FAMILY, OTHER_DEVICE), code('ERR_WG_DEVICE_NOT_FOUND', /none of the kernel's WireGuard/));
  await assert.rejects(read(FAMILY, PERMISSION), code('ERR_WG_PERMISSION', /CAP_NET_ADMIN/));
});

test(
  'an answer without end, or one that is no answer, is ERR_WG_PROTOCOL, and the socket is closed',
  options,
  async () => {
    const [first] = peerInTwoParts() as [Uint8Array];
    const { kernel, log } = scripted([FAMILY], [first]);
    await assert.rejects(kernel.read('wg1', calm), code('ERR_WG_PROTOCOL', /without its end/));
    assert.equal(log.closed, 1);
    await assert.rejects(scripted([]).kernel.read('wg1', calm), code('ERR_WG_PROTOCOL', /family/));
    const silent = scripted([FAMILY], []).kernel.write('wg1', [{ publicKey: key, updateOnly: true }], { signal });
    await assert.rejects(silent, code('ERR_WG_PROTOCOL', /acknowledgement/));
  },
);

test('a signal ends a reading between two of its parts', options, async () => {
  const stop = new AbortController();
  const parts = peerInTwoParts();
  const { kernel, log } = scripted([FAMILY], parts);
  const reading = kernel.read('wg1', { signal: stop.signal, clock });
  stop.abort(new Error('enough'));
  await assert.rejects(reading, /enough/);
  assert.equal(log.closed, 1);
});

test('F34 a write is wiped once it is sent, also where it is refused', options, async () => {
  const presharedKey = new SecretKey(new Uint8Array(32).fill(0x42));
  for (const answer of [ACKNOWLEDGED, PERMISSION]) {
    const { kernel, log } = scripted([FAMILY], [answer]);
    const written = kernel.write('wg0', [{ publicKey: key, presharedKey }], { signal });
    if (answer === PERMISSION) await assert.rejects(written, code('ERR_WG_PERMISSION'));
    else await written;
    assert.ok(Buffer.from(log.sent[1] ?? []).includes(Buffer.alloc(32, 0x42)), 'it was sent');
    assert.ok(
      log.kept[1]?.every((byte) => byte === 0),
      'it is wiped',
    );
  }
});

test(
  'an endpoint whose zone is no interface is refused, and a system that has no netlink says so',
  options,
  async () => {
    const { kernel, calls } = scripted([FAMILY], [ACKNOWLEDGED]);
    const endpoint = { family: 6, address: 'fe80::1', port: 7, zone: 'absent' } as const;
    await assert.rejects(
      kernel.write('wg0', [{ publicKey: key, endpoint }], { signal }),
      code('ERR_WG_FAILED', /"absent"/),
    );
    calls.open = () => {
      throw Object.assign(new Error('socket EAFNOSUPPORT'), {
        code: 'EAFNOSUPPORT',
        errno: -97,
        syscall: 'socket',
      }) as SystemError;
    };
    await assert.rejects(kernel.read('wg0', calm), code('ERR_CAPTURE_OPEN'));
  },
);

test("this machine's kernel: its list has no other devices, an absent one and lo are none", async () => {
  const { wireguard } = capture;
  assert.ok(wireguard);
  assert.equal(wireguard.way, 'netlink');
  assert.equal((await wireguard.list({ signal })).includes('lo'), false);
  for (const name of ['smtabsent', 'lo'])
    await assert.rejects(wireguard.read(name, calm), code('ERR_WG_DEVICE_NOT_FOUND'));
});
