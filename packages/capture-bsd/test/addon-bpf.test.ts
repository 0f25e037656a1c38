/** The /dev/bpf half of the addon on real interfaces: packet sockets of Linux stand in for FreeBSD's bpf(4) (native/test/emulated.h). */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, before, test } from 'node:test';
import type { SystemError } from '@stunmesh/core/capture-kit';
import { assembleBpf, bpf, createStunFilter, PACKET_LAYOUTS } from '@stunmesh/core/net';
import { type BpfDevice, openBpfDevice } from '#src/bpf-device.js';
import { linkTypeOf, parseFrame } from '#src/frame.js';
import { loadNative, type Native } from '#src/native.js';
import { cannotCapture, emulatedAddon, inOwnNamespace, run } from './addon-lab.js';
import { ethernet, ipv4, ipv6, openWire, PORT, udp } from './bpf-wire.js';

const skip = cannotCapture ?? (existsSync('/dev/net/tun') ? false : 'needs /dev/net/tun');
const options = { skip, timeout: 60_000 };
const STUN = Buffer.from(`010100002112a442${'07'.repeat(12)}`, 'hex');

interface Heard {
  readonly frame: Buffer;
  readonly wireLength: number;
}

/** What a test that fails leaves open would keep the process alive. */
const opened: (() => void)[] = [];

/** A device that keeps what it hears. */
function listen(native: Native, interfaceName: string, keep = 0xffff) {
  const frames: Heard[] = [];
  const errors: SystemError[] = [];
  let wake = () => {};
  const device: BpfDevice = openBpfDevice(native, {
    interfaceName,
    filter(dataLink) {
      if (keep !== 0xffff) return assembleBpf([bpf.keep(keep)]);
      const type = linkTypeOf(dataLink);
      assert.ok(type && type !== 'LINUX_SLL' && type !== 'LINUX_SLL2');
      return createStunFilter(PACKET_LAYOUTS[type], { localPort: PORT });
    },
    onFrame(error, frame, wireLength) {
      if (error) errors.push(error);
      else frames.push({ frame: Buffer.from(frame), wireLength });
      wake();
    },
  });
  opened.push(device.close);
  const until = async (holds: () => boolean) => {
    while (!holds())
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { device, frames, errors, until };
}

const threads = () => readdirSync('/proc/self/task').length;
/** Of the kernel's turn: what was sent before is in every packet socket's buffer by then. */
const settle = () => new Promise<void>((resolve) => void setImmediate(resolve));

async function untilThreads(count: number): Promise<void> {
  while (threads() > count) await settle();
}

if (inOwnNamespace(import.meta.url)) {
  let native: Native;
  before(() => {
    if (skip) return;
    run('ip link set lo up');
    native = loadNative(emulatedAddon());
  });

  afterEach(() => {
    for (const close of opened.splice(0)) close();
  });

  test('F3 of the frames of an Ethernet only STUN responses to the port arrive, whole', options, async () => {
    await using wire = await openWire('wan0', 'tap');
    const { device, frames, until } = listen(native, 'wan0');
    const wireGuard = Buffer.from(`040000002112a442${'00'.repeat(24)}`, 'hex');
    const wanted = [ethernet('0800', ipv4(udp(STUN))), ethernet('86dd', ipv6(udp(STUN)))];
    const others = [
      ethernet('0800', ipv4(udp(STUN, PORT + 1))),
      ethernet('0800', ipv4(udp(wireGuard))),
      ethernet('86dd', ipv6(udp(wireGuard))),
      ethernet('0806', Buffer.alloc(46)),
    ];
    for (const frame of [...others, ...wanted, ...others, ...wanted]) wire.receives(frame);
    await until(() => frames.length >= 4);
    assert.deepEqual(
      frames.map(({ frame }) => frame.toString('hex')),
      [...wanted, ...wanted].map((frame) => frame.toString('hex')),
    );
    for (const { frame, wireLength } of frames) {
      assert.equal(wireLength, frame.length);
      assert.equal(parseFrame('EN10MB', frame)?.to.port, PORT);
    }
    // The device may hear what the system sends of its own accord; never less than what came.
    assert.ok(device.statistics().received >= 12);
    assert.equal(device.dataLink, 1);
    device.close();
    device.close();
  });

  test('what this host sends is not heard', options, async () => {
    await using wire = await openWire('wan1', 'tap');
    run('ip address add 192.0.2.1/24 dev wan1');
    run('ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:01 dev wan1');
    const { device, frames, until } = listen(native, 'wan1');
    const sender = createSocket('udp4');
    sender.bind(PORT);
    await once(sender, 'listening');
    await new Promise((resolve) => sender.send(STUN, PORT, '192.0.2.2', resolve));
    wire.receives(ethernet('0800', ipv4(udp(STUN))));
    await until(() => frames.length > 0);
    assert.equal(frames.length, 1);
    assert.equal(parseFrame('EN10MB', frames[0]?.frame ?? Buffer.of())?.from.address, '192.0.2.2');
    sender.close();
    device.close();
  });

  for (const [wanted, dataLink] of [
    ['null', 0],
    ['loop', 108],
    ['raw', 12],
    ['ppp', 9],
  ] as const)
    test(`F10 frames of an interface of link type ${wanted}`, options, async () => {
      process.env['STUNMESH_TEST_LINK_TYPE'] = wanted;
      await using wire = await openWire('tun0', 'tun');
      const { device, frames, until } = listen(native, 'tun0');
      assert.equal(device.dataLink, dataLink);
      const type = linkTypeOf(dataLink);
      assert.ok(type);
      for (const wrap of [ipv4, ipv6]) {
        wire.receives(wrap(udp(STUN, PORT + 1)));
        wire.receives(wrap(udp(STUN)));
      }
      await until(() => frames.length >= 2);
      assert.deepEqual(
        frames.map(({ frame }) => parseFrame(type, frame)?.from.address),
        ['192.0.2.2', '2001:db8::2'],
      );
      for (const { frame } of frames) assert.deepEqual(Buffer.from(parseFrame(type, frame)?.payload ?? []), STUN);
      device.close();
    });

  test('a frame that the filter cuts says how long it was', options, async () => {
    await using wire = await openWire('wan2', 'tap');
    const { device, frames, until } = listen(native, 'wan2', 61);
    const frame = ethernet('0800', ipv4(udp(Buffer.alloc(900, 1))));
    wire.receives(frame);
    const cut = () => frames.find(({ wireLength }) => wireLength === frame.length);
    await until(() => cut() !== undefined);
    assert.equal(cut()?.frame.toString('hex'), frame.subarray(0, 61).toString('hex'));
    device.close();
  });

  test('F10 an interface that goes down and up is heard on, one that is gone is said once', options, async () => {
    const wire = await openWire('wan3', 'tap');
    const before = threads();
    const { device, frames, errors, until } = listen(native, 'wan3');
    assert.equal(threads(), before + 1);
    const frame = ethernet('0800', ipv4(udp(STUN)));
    wire.receives(frame);
    await until(() => frames.length === 1);
    run('ip link set wan3 down');
    run('ip link set wan3 up');
    wire.receives(frame);
    await until(() => frames.length === 2);
    assert.equal(errors.length, 0);
    await wire[Symbol.asyncDispose]();
    await until(() => errors.length > 0);
    assert.equal(errors[0]?.code, 'ENXIO');
    assert.equal(errors[0]?.syscall, 'read');
    // poll(2) calls it readable for ever: its reader has ended by itself, and resume() starts nothing.
    await untilThreads(before);
    device.resume();
    await settle();
    assert.equal(errors.length, 1);
    // The next of that name is another interface.
    await using next = await openWire('wan3', 'tap');
    const again = listen(native, 'wan3');
    next.receives(frame);
    await again.until(() => again.frames.length > 0);
    assert.equal(frames.length, 2);
    again.device.close();
    device.close();
  });

  test('F4 what came before the real filter was set is thrown away', options, async () => {
    await using wire = await openWire('wan4', 'tap');
    const frame = ethernet('0800', ipv4(udp(STUN)));
    const first = listen(native, 'wan4');
    const order: string[] = [];
    const watched = new Proxy(native, {
      get(target, name: keyof Native) {
        const member = target[name];
        if (typeof member !== 'function') return member;
        return (...values: unknown[]) => {
          order.push(name);
          return (member as (...values: unknown[]) => unknown)(...values);
        };
      },
    });
    const frames: Uint8Array[] = [];
    const device = openBpfDevice(watched, {
      interfaceName: 'wan4',
      filter() {
        return assembleBpf([bpf.keep(0xffff)]);
      },
      onFrame: (_, bytes) => frames.push(bytes),
    });
    assert.deepEqual(order, [
      'openBpf',
      'setBpfBuffer',
      'setBpfImmediate',
      'setBpfFilter',
      'attachBpf',
      'setBpfIncoming',
      'bpfDataLink',
      'setBpfFilter',
      'startFrames',
    ]);
    device.close();
    const bare = native.openBpf();
    opened.push(() => native.close(bare));
    native.setBpfFilter(bare, Uint8Array.from([6, 0, 0, 0, 255, 255, 0, 0]));
    native.attachBpf(bare, 'wan4');
    native.setBpfIncoming(bare);
    wire.receives(frame);
    await first.until(() => first.frames.length === 1);
    native.setBpfFilter(bare, Uint8Array.from([6, 0, 0, 0, 255, 255, 0, 0]));
    let heard = 0;
    let wake = () => {};
    native.startFrames(bare, (_, bytes) => {
      if (Buffer.compare(bytes, frame) === 0) heard += 1;
      if (heard > 0) wake();
    });
    const second = new Promise<void>((resolve) => {
      wake = resolve;
    });
    wire.receives(frame);
    await second;
    await first.until(() => first.frames.length === 2);
    await settle();
    assert.equal(heard, 1);
    native.close(bare);
    first.device.close();
  });

  test('what fails on the way leaves nothing open', options, () => {
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    const filter = () => assembleBpf([bpf.keep(0)]);
    assert.throws(() => openBpfDevice(native, { interfaceName: 'nowhere0', filter, onFrame: () => {} }), {
      code: 'ENXIO',
      syscall: 'BIOCSETIF',
    });
    const failing = () => {
      throw new RangeError('on purpose');
    };
    assert.throws(() => openBpfDevice(native, { interfaceName: 'lo', filter: failing, onFrame: () => {} }), RangeError);
    assert.equal(descriptors(), before);
  });

  test('a reader is started once', options, () => {
    const bare = native.openBpf();
    opened.push(() => native.close(bare));
    native.attachBpf(bare, 'lo');
    native.startFrames(bare, () => {});
    assert.throws(() => native.startFrames(bare, () => {}), { code: 'EBUSY' });
    assert.throws(() => native.setBpfBuffer(bare, 4096), { code: 'EINVAL', syscall: 'BIOCSBLEN' });
    native.close(bare);
  });
}
