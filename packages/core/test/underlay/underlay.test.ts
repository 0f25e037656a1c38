/** One device's way out: what is bound once goes along with every question, and follows the device (F5, F19, F39). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CaptureModule, StunmeshError, type StunSocketOptions } from '#src/api/index.js';
import { captureError, createFakeCapture, createFakeClock, createMemoryLogger } from '#src/testing/index.js';
import { checkPrivileges, createUnderlays, type UnderlayDevice } from '#src/underlay/underlay.js';

const OUT = '198.51.100.1';

function setUp(change: Partial<CaptureModule> = {}) {
  const clock = createFakeClock();
  const fake = createFakeCapture();
  const logger = createMemoryLogger();
  const opened: StunSocketOptions[] = [];
  const asked: object[] = [];
  let lists = 0;
  const capture: CaptureModule = {
    ...fake,
    openStunSocket(options) {
      opened.push(options);
      return fake.openStunSocket(options);
    },
    async routeTo(query) {
      asked.push(query);
      return fake.routeTo?.(query);
    },
    async listInterfaces() {
      lists += 1;
      return fake.listInterfaces();
    },
    ...change,
  };
  const device: { -readonly [Key in keyof UnderlayDevice]: UnderlayDevice[Key] } = {
    name: 'wg0',
    facts: { realName: 'utun4', listenPort: 51_820, firewallMark: 7 },
    config: { fib: 2, listenInterfaces: ['em0'], listenDefaultRoute: true },
  };
  const of = createUnderlays({ capture, clock, logger });
  return { clock, fake, capture, logger, opened, asked, device, of, underlay: of(device), lists: () => lists };
}

const socket = { family: 4, signal: new AbortController().signal, onMessage() {}, onFault() {} } as const;

test('F5 a socket has the port, mark, table and name of the device as they are now', async () => {
  const { underlay, opened, device } = setUp();
  await underlay.openStunSocket(socket);
  device.facts = { realName: 'utun5', listenPort: 4_500, firewallMark: 9 };
  device.config = { listenInterfaces: [], listenDefaultRoute: false };
  await underlay.openStunSocket({ ...socket, sendOnly: true });
  const told = opened.map((o) => [o.localPort, o.excludeDevice, o.firewallMark, o.fib, o.interfaces, o.sendOnly]);
  assert.deepEqual(told, [
    [51_820, 'utun4', 7, 2, ['em0'], undefined],
    [4_500, 'utun5', 9, undefined, undefined, true],
  ]);
});

test('F58 sockets of other traffic have the mark and the table of the device; a capture without them says so', async () => {
  const asked: object[] = [];
  const refuse = (options: object): Promise<never> => {
    asked.push(options);
    return Promise.reject(captureError('ERR_CAPTURE_OPEN'));
  };
  const to = { family: 4, address: OUT, port: 5351 } as const;
  const on = { onMessage: () => undefined, onFault: () => undefined };
  const { signal } = socket;
  const { underlay } = setUp({ openDatagramSocket: refuse, connectTcp: refuse });
  assert.equal(underlay.opensSockets, true);
  await assert.rejects(underlay.openDatagramSocket({ to, from: '192.168.1.2', ...on }), { code: 'ERR_CAPTURE_OPEN' });
  await assert.rejects(underlay.connectTcp({ to, signal }), { code: 'ERR_CAPTURE_OPEN' });
  assert.deepEqual(asked, [
    { to, from: '192.168.1.2', ...on, firewallMark: 7, fib: 2 },
    { to, signal, firewallMark: 7, fib: 2 },
  ]);

  const { capture, device } = setUp();
  const { openDatagramSocket: _, connectTcp: __, ...without } = capture;
  const bare = createUnderlays({ capture: without, clock: createFakeClock(), logger: createMemoryLogger() })(device);
  assert.equal(bare.opensSockets, false);
  await assert.rejects(bare.openDatagramSocket({ to, ...on }), { code: 'ERR_INTERNAL' });
  await assert.rejects(bare.connectTcp({ to, signal }), { code: 'ERR_INTERNAL' });
});

test('every route is asked for in the same table, and inside the tunnel in that of other programs', async () => {
  const { underlay, asked } = setUp();
  await underlay.routeTo(OUT);
  await underlay.unmarkedRouteTo(OUT);
  await underlay.refusal(OUT);
  await underlay.leadsInside('fd00::2');
  assert.deepEqual(asked, [
    { to: OUT, firewallMark: 7, fib: 2 },
    { to: OUT, firewallMark: 0, fib: 2 },
    { to: OUT, firewallMark: 7, fib: 2 },
    { to: 'fd00::2', firewallMark: 0, device: 'utun4' },
  ]);
});

test('F19 an address is refused where its packets would enter the tunnel, by mark and table', async () => {
  const { underlay, fake } = setUp();
  fake.setRoute(OUT, { interface: 'utun4', source: '10.0.0.1' });
  assert.match((await underlay.refusal(OUT)) ?? '', /tunnel itself/);
  fake.setRoute(OUT, { interface: 'em0', source: '192.0.2.9' }, { firewallMark: 7 });
  assert.equal(await underlay.refusal(OUT), undefined);
});

test('a capture without routes refuses nothing and says so', async () => {
  const { underlay, capture } = setUp();
  Reflect.deleteProperty(capture, 'routeTo');
  assert.equal(underlay.tellsRoutes, false);
  assert.equal(await underlay.routeTo(OUT), undefined);
  assert.equal(await underlay.refusal(OUT), undefined);
  assert.equal(await underlay.leadsInside('fd00::2'), true);
});

test('without the device there is no socket, and routes are those of unmarked packets', async () => {
  const { underlay, device, asked } = setUp();
  device.facts = undefined;
  await assert.rejects(underlay.openStunSocket(socket), { code: 'ERR_WG_DEVICE_NOT_FOUND' });
  await assert.rejects(underlay.openEchoSocket({ family: 4, onPacket() {}, onFault() {} }), {
    code: 'ERR_WG_DEVICE_NOT_FOUND',
  });
  await underlay.routeTo(OUT);
  assert.deepEqual(asked, [{ to: OUT, firewallMark: 0, fib: 2 }]);
});

test('echoes go into the tunnel, or by the interface that is named', async () => {
  const { underlay, fake } = setUp();
  await underlay.openEchoSocket({ family: 4, onPacket() {}, onFault() {} });
  await underlay.openEchoSocket({ family: 4, device: 'em0', onPacket() {}, onFault() {} });
  assert.deepEqual(
    [...fake.echoSockets].map(({ device }) => device),
    ['utun4', 'em0'],
  );
});

test('interfaces are listed once a second, for all devices together', async () => {
  const { of, device, clock, lists } = setUp();
  const [one, other] = [of(device), of({ ...device, name: 'wg1' })];
  await Promise.all([one.interfaces(), other.interfaces(), one.ownAddresses()]);
  assert.equal(lists(), 1);
  await clock.advance(1_001);
  assert.ok((await other.ownAddresses()).includes('192.168.1.2'));
  assert.equal(lists(), 2);
});

test('F39 missing rights and a missing addon end the start; what may pass does not', async () => {
  for (const code of ['ERR_CAPTURE_PERMISSION', 'ERR_CAPTURE_ADDON'] as const) {
    const { capture, clock, fake } = setUp();
    fake.fail('openStunSocket', captureError(code));
    await assert.rejects(checkPrivileges({ capture, clock }), { code });
  }
  const { capture, clock, fake } = setUp();
  fake.fail('openStunSocket', new StunmeshError('ERR_CAPTURE_OPEN', 'no buffer space'));
  await checkPrivileges({ capture, clock });
});
