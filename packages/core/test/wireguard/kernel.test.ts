/** A kernel that a capture module speaks to itself: when it is asked, in what words it fails, and when wg(8) takes its place. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, type KernelDevice, type KernelWireGuard, SecretKey, StunmeshError } from '#src/api/index.js';
import { createFakeClock, createMemoryLogger } from '#src/testing/index.js';
import { openWireGuardControl } from '#src/wireguard/index.js';

const NOWHERE = '/nonexistent/smt';
const options = { signal: new AbortController().signal };
const code =
  (wanted: `ERR_${string}`, text = /./) =>
  (error: unknown) =>
    hasCode(error, wanted) && text.test(String(error));
const key = Buffer.alloc(32, 2).toString('base64') as never;

function kernelThat(read: () => KernelDevice): KernelWireGuard {
  return { way: 'netlink', list: async () => ['lo'], read: async () => read(), write: async () => void read() };
}

const DEVICE: KernelDevice = {
  keys: { publicKey: key, secretKey: new SecretKey(new Uint8Array(32).fill(1)) },
  listenPort: 51820,
  firewallMark: 7,
  peers: new Map(),
  presharedKeys: new Map(),
};

function open(kernel: () => Promise<KernelWireGuard | undefined>, wgCommand = NOWHERE) {
  const logger = createMemoryLogger();
  let asked = 0;
  const counted = () => {
    asked += 1;
    return kernel();
  };
  const clock = createFakeClock();
  const control = openWireGuardControl({ logger, clock, kernel: counted, uapiDir: NOWHERE, wgCommand });
  return { control, logger, asked: () => asked };
}

test('F32 the kernel is asked for once, when it is first needed, and wg(8) is not needed at all', async () => {
  const { control, asked } = open(async () => kernelThat(() => DEVICE));
  assert.equal(asked(), 0);
  const device = await control.device('wg0', options);
  assert.equal(device.way, 'netlink');
  assert.equal(device.name, 'wg0');
  assert.equal(device.publicKey, key);
  assert.equal('presharedKeys' in device, false);
  assert.deepEqual(await control.devices(options), ['lo']);
  assert.equal(asked(), 1);
});

test('its failures are told in the words of all ways to WireGuard, with the name of the device', async () => {
  const failing = (error: StunmeshError) =>
    open(async () =>
      kernelThat(() => {
        throw error;
      }),
    ).control.device('wg0', options);
  const fail = (wanted: `ERR_${string}`, details = {}) => failing(new StunmeshError(wanted, 'why', { details }));
  await assert.rejects(fail('ERR_WG_DEVICE_NOT_FOUND'), code('ERR_WG_DEVICE_NOT_FOUND', /"wg0": why; bring it up/));
  await assert.rejects(fail('ERR_WG_PERMISSION'), code('ERR_WG_PERMISSION', /"wg0": this user may not control it/));
  await assert.rejects(fail('ERR_WG_PROTOCOL', { where: 'here' }), code('ERR_WG_PROTOCOL', /"wg0": netlink .*: here/));
  await assert.rejects(fail('ERR_WG_FAILED'), code('ERR_WG_FAILED', /"wg0": why/));
  const { keys: _, ...bare } = DEVICE;
  const { control } = open(async () => kernelThat(() => bare));
  await assert.rejects(control.device('wg0', options), code('ERR_WG_FAILED', /no private key/));
});

test('an answer of the kernel is never asked of wg(8) again: it would start a process for the same answer', async () => {
  const { control } = open(async () =>
    kernelThat(() => {
      throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', 'why');
    }),
  );
  await assert.rejects(control.device('wg0', options), code('ERR_WG_DEVICE_NOT_FOUND'));
});

test('where the kernel cannot be asked wg(8) is, and the log says so once', async () => {
  const noAddon = new StunmeshError('ERR_CAPTURE_ADDON', 'not built');
  const inCalls = open(async () =>
    kernelThat(() => {
      throw noAddon;
    }),
  );
  const inLoading = open(() => Promise.reject(noAddon));
  const absent = open(async () => undefined);
  for (const { control, logger } of [inCalls, inLoading, absent]) {
    for (let n = 0; n < 2; n += 1) await assert.rejects(control.device('wg0', options), code('ERR_WG_NOT_FOUND'));
    const told = logger.lines.filter(({ level }) => level === 'info');
    assert.equal(told.length, logger === absent.logger ? 0 : 1);
  }
});
