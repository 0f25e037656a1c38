import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '@stunmesh/core/api';
import type { SystemError } from '@stunmesh/core/capture-kit';
import { createStunFilter, encodeBpf, PACKET_LAYOUTS } from '@stunmesh/core/net';
import { openBpfSource, UnknownLinkTypeError } from '#src/bpf-source.js';
import { createOpener } from '#src/index.js';
import { createFakeNative, systemError } from './fake-native.js';

const NOTHING = [new Uint8Array(), 0] as const;

function start(dataLink = 1) {
  const native = createFakeNative();
  native.setInterfaces([{ name: 'em0' }]);
  native.dataLink = dataLink;
  const heard: string[] = [];
  const source = openBpfSource(
    native,
    'em0',
    { localPort: 51820 },
    {
      frame: (linkType, frame) => heard.push(`${linkType} ${frame.length}`),
      lost: (reason) => heard.push(`lost ${(reason as SystemError).code}`),
    },
  );
  const device = native.openOnes('bpf')[0];
  assert.ok(device);
  return { native, source, device, heard };
}

test('F10 the filter is that of the link type, for each that is known', async () => {
  for (const [dataLink, name] of [
    [0, 'NULL'],
    [1, 'EN10MB'],
    [9, 'PPP'],
    [12, 'RAW'],
    [108, 'LOOP'],
  ] as const) {
    const { source, device, heard } = start(dataLink);
    assert.equal(device.interfaceName, 'em0');
    assert.deepEqual(device.filter, encodeBpf(createStunFilter(PACKET_LAYOUTS[name], { localPort: 51820 }), 'LE'));
    device.onFrame?.(undefined, new Uint8Array(64), 64);
    assert.deepEqual(heard, [`${name} 64`]);
    await source[Symbol.asyncDispose]();
  }
});

test('F10 a source is lost once, and its device closed, when its interface is gone or down', () => {
  for (const code of ['ENXIO', 'ENETDOWN']) {
    const { device, heard } = start();
    device.onFrame?.(systemError(code, 'read'), ...NOTHING);
    device.onFrame?.(systemError(code, 'read'), ...NOTHING);
    device.onFrame?.(undefined, new Uint8Array(64), 64);
    assert.deepEqual(heard, [`lost ${code}`]);
    assert.equal(device.open, false);
    assert.equal(device.resumed, 0, 'poll(2) would say "readable" for ever');
  }
});

test('closing is idempotent and ends the frames', async () => {
  const { source, device, heard } = start();
  await source[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
  device.onFrame?.(undefined, new Uint8Array(64), 64);
  device.onFrame?.(systemError('ENXIO', 'read'), ...NOTHING);
  assert.deepEqual(heard, []);
  assert.equal(device.open, false);
});

test('what keeps /dev/bpf from being opened is named, and nothing stays open', () => {
  const native = createFakeNative();
  native.setInterfaces([{ name: 'em0' }]);
  const open = () => openBpfSource(native, 'em0', { localPort: 1 }, { frame() {}, lost() {} });
  for (const [call, code, wanted] of [
    ['openBpf', 'EACCES', 'ERR_CAPTURE_PERMISSION'],
    ['openBpf', 'EBUSY', 'ERR_CAPTURE_OPEN'],
    ['attachBpf', 'ENXIO', 'ERR_CAPTURE_OPEN'],
    ['setBpfFilter', 'EINVAL', 'ERR_CAPTURE_OPEN'],
  ] as const) {
    native.failures.set(call, systemError(code, call));
    assert.throws(open, (error) => hasCode(error, wanted));
    native.failures.clear();
  }
  native.dataLink = 105;
  assert.throws(open, (error) => error instanceof UnknownLinkTypeError && error.dataLink === 105);
  assert.deepEqual(native.openOnes(), []);
});

test('an interface of an unknown link type is left to libpcap, and where there is none it is said once why, without another try', async () => {
  const native = createFakeNative();
  native.setInterfaces([{ name: 'em0' }]);
  native.dataLink = 105;
  const open = createOpener(native, 'bpf', '/nowhere/cap-child.js');
  const signal = new AbortController().signal;
  for (let i = 0; i < 2; i += 1)
    await assert.rejects(open('em0', { localPort: 1 }, { frame() {}, lost() {} }, signal), (error) => {
      assert.ok(hasCode(error, 'ERR_CAPTURE_OPEN'));
      return /em0 is not listened to: frames of link type 105 .*npm install/.test(String(error));
    });
  assert.deepEqual(native.openOnes(), []);
});
