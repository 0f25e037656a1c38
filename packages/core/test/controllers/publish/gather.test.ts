/** A device's discovery through the capture module: which server, which refusals, and what is said once (F2, F5, F8). */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  type Device,
  StunmeshError as Failure,
  hasCode,
  type StunmeshError,
  type StunSocketOptions,
} from '#src/api/index.js';
import { createSnapshot } from '#src/control/snapshot.js';
import { createDiscovery } from '#src/controllers/publish/gather.js';
import { createExamination } from '#src/controllers/refresh/nat-schedule.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { createDeviceEntry } from '#src/peers/peer-table.js';
import { createAgent } from '#src/stun/agent.js';
import { xorAddressAttribute } from '#src/stun/attributes.js';
import { formatMessage, parseMessage } from '#src/stun/message.js';
import { createFakeCapture, createFakeClock, createMemoryLogger } from '#src/testing/index.js';
import { createUnderlays } from '#src/underlay/underlay.js';
import { createHarness } from '../harness.js';

const MAPPED = '203.0.113.7:40001';
const SERVERS = ['198.51.100.1:3478', '198.51.100.2:3478'] as const;
const endpoint = (text: string) => parseEndpoint(text) ?? assert.fail(text);

function setUp(
  facts: Partial<Device> | undefined = {},
  config: { fib?: number; listenInterfaces?: string[] } = {},
  servers: readonly string[] = SERVERS,
) {
  const names = new Map<string, readonly string[]>();
  const clock = createFakeClock();
  const capture = createFakeCapture();
  const logger = createMemoryLogger();
  const entry = createDeviceEntry({ ...createHarness().device.config, ...config }, 0);
  const h = createHarness();
  if (facts)
    entry.facts = {
      name: 'wg0',
      realName: 'wg0',
      ...h.own,
      listenPort: 51820,
      firewallMark: 0x2a,
      peers: new Map(),
      ...facts,
    };
  const opened: StunSocketOptions[] = [];
  const { openStunSocket } = capture;
  capture.openStunSocket = (options) => {
    opened.push(options);
    return openStunSocket(options);
  };
  /** Servers that answer. */
  const answering = new Set<string>(SERVERS);
  capture.onSend = ({ message, to, localPort }) => {
    const request = parseMessage(message);
    if (!request || !answering.has(formatEndpoint(to))) return;
    const attributes = [xorAddressAttribute(endpoint(MAPPED), request.transactionId)];
    const reply = formatMessage({ class: 'success', method: 1, transactionId: request.transactionId, attributes });
    void clock.sleep(10).then(() => capture.deliver(reply, to, { localPort }));
  };
  const underlay = createUnderlays({ capture, clock, logger })(entry);
  const asking = {
    device: entry,
    underlay,
    agent: createAgent({
      clock,
      random: (n) => Uint8Array.from(randomBytes(n)),
      openSocket: underlay.openStunSocket,
      binding: underlay.binding,
    }),
    clock,
    logger,
    resolve: async (host: string) => names.get(host) ?? [],
    servers: () => servers,
  };
  const discovery = createDiscovery(asking);
  const { examineNat } = createExamination(asking);
  const abort = new AbortController();
  const go = async () => {
    const result = discovery.discover(4, abort.signal).then(
      (found) => ({ found, error: undefined }),
      (error: StunmeshError) => ({ found: undefined, error }),
    );
    await clock.advance(20_000);
    return result;
  };
  return { names, capture, clock, logger, entry, opened, answering, discovery, examineNat, go };
}

test('a device that is not there, and one without a port, are named', async () => {
  const absent = setUp();
  absent.entry.facts = undefined;
  assert.ok(hasCode((await absent.go()).error, 'ERR_WG_DEVICE_NOT_FOUND'));
  await assert.rejects(absent.examineNat(4, new AbortController().signal), (error) =>
    hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND'),
  );
  const { error } = await setUp({ listenPort: 0 }).go();
  assert.ok(hasCode(error, 'ERR_WG_FAILED'));
  assert.match(String(error), /ListenPort/);
});

test("F8 the socket is asked for with the device's own port, mark, table and interfaces", async () => {
  const { go, opened } = setUp({ realName: 'utun4' }, { fib: 3, listenInterfaces: ['em0'] });
  const { found } = await go();
  assert.equal(found && formatEndpoint(found.endpoint), MAPPED);
  const [options] = opened;
  assert.deepEqual(
    [options?.localPort, options?.firewallMark, options?.excludeDevice, options?.fib, options?.interfaces],
    [51820, 0x2a, 'utun4', 3, ['em0']],
  );
});

test('F2 the server that answered is remembered, and tells where routes are looked at', async () => {
  const { go, answering, discovery, capture } = setUp();
  assert.equal(discovery.serverAddress(4), undefined);
  answering.delete(SERVERS[0]);
  assert.equal((await go()).found?.server, SERVERS[1]);
  assert.equal(discovery.serverAddress(4), '198.51.100.2');
  answering.add(SERVERS[0]);
  capture.sent.length = 0;
  assert.equal((await go()).found?.server, SERVERS[1], 'it is asked first');
});

test('F7 a server whose route leaves by the tunnel itself is not asked', async () => {
  const { go, capture } = setUp();
  for (const server of ['198.51.100.1', '198.51.100.2'])
    capture.setRoute(server, { interface: 'wg0', source: '10.99.0.1' });
  const { error } = await go();
  assert.match(String(error), /tunnel itself/);
  assert.equal(capture.sent.length, 0);
});

test('what a capture remarks is logged once for each text, however often it is remarked', async () => {
  const { go, opened, logger } = setUp();
  await go();
  const remark = (text: string) => opened[0]?.onNotice?.(new Failure('ERR_CAPTURE_OPEN', text));
  for (let i = 0; i < 5; i += 1) remark('em7 is not there');
  remark('em8 is not there');
  const lines = logger.lines.filter(({ level }) => level === 'warn');
  assert.equal(lines.length, 2);
  // Bounded: many different ones make room for themselves.
  for (let i = 0; i < 200; i += 1) remark(`em${100 + i} is not there`);
  remark('em7 is not there');
  assert.ok(logger.lines.filter(({ level }) => level === 'warn').length <= 203);
});

test("a STUN server that is a proxy's stand-in (fake-ip) is told in status as long as it is asked, answer or not", async () => {
  const { go, names, answering, entry, logger } = setUp({}, {}, ['stun.test:3478']);
  names.set('stun.test', ['198.18.0.7']);
  assert.ok(hasCode((await go()).error, 'ERR_STUN_NO_RESPONSE'));
  assert.equal(entry.standIns.get(4)?.code, 'ERR_STUN_STAND_IN');
  answering.add('198.18.0.7:3478');
  assert.equal((await go()).error, undefined);
  assert.match(entry.standIns.get(4)?.message ?? '', /stun\.test resolves to 198\.18\.0\.7.*fake-ip/);
  assert.equal(logger.lines.filter(({ message }) => message === 'an odd STUN server').length, 1);
  const shown = createSnapshot({ version: '0', startedAt: 0, wallNow: 0, now: 0, device: entry, stores: [] });
  assert.deepEqual(
    shown.devices[0]?.errors.map(({ of, code }) => [of, code]),
    [['ipv4', 'ERR_STUN_STAND_IN']],
  );
  names.set('stun.test', ['198.51.100.1']);
  assert.equal((await go()).error, undefined);
  assert.equal(entry.standIns.size, 0);
});
