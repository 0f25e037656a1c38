import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StunmeshError, type StunSocketOptions } from '#src/api/index.js';
import { createDiscovery } from '#src/controllers/discovery.js';
import { createDeviceEntry } from '#src/controllers/peer-table.js';
import { xorAddressAttribute } from '#src/stun/attributes.js';
import { formatMessage, parseMessage } from '#src/stun/message.js';
import { createFakeCapture, createFakeClock, createMemoryLogger } from '#src/testing/index.js';

const SERVER = { family: 4, address: '198.51.100.1', port: 3478 } as const;
const SEEN = { family: 4, address: '203.0.113.7', port: 61_234 } as const;
const never = new AbortController().signal;

/** A device that is served through a capture which answers each question, and says these things at each opening. */
function setUp(notices: () => readonly StunmeshError[] = () => [], rewritten = false) {
  const clock = createFakeClock();
  const logger = createMemoryLogger();
  const capture = createFakeCapture();
  const opened: StunSocketOptions[] = [];
  const openStunSocket: typeof capture.openStunSocket = async (options) => {
    opened.push(options);
    for (const notice of notices()) options.onNotice?.(notice);
    return capture.openStunSocket(options);
  };
  capture.onSend = ({ message, localPort }) => {
    const request = parseMessage(message);
    assert.ok(request);
    const answer = formatMessage({
      ...request,
      class: 'success',
      attributes: [xorAddressAttribute(SEEN, request.transactionId)],
    });
    const [socket] = capture.stunSockets;
    queueMicrotask(() => {
      const to = { family: 4, address: '0.0.0.0', port: rewritten ? SEEN.port : localPort } as const;
      socket?.onMessage({ message: answer, from: SERVER, to, ...(rewritten && { rewritten }) });
    });
  };
  const device = createDeviceEntry(
    {
      name: 'wg0',
      protocol: 'ipv4',
      peers: new Map(),
      listenInterfaces: ['em0', 'ng0'],
      listenDefaultRoute: true,
      fib: 2,
    },
    0,
  );
  device.facts = {
    name: 'wg0',
    realName: 'utun4',
    listenPort: 51_820,
    firewallMark: 7,
  } as NonNullable<typeof device.facts>;
  const { discover } = createDiscovery({
    capture: { ...capture, openStunSocket },
    clock,
    logger,
    resolve: async () => [],
    interfaces: async () => [],
    servers: () => ['198.51.100.1:3478'],
  });
  return { clock, logger, opened, discover: () => discover(device, 4, never) };
}

test('the capture is told what the configuration says of interfaces, routing table and mark, and given the clock', async () => {
  const { clock, opened, discover } = setUp();
  await discover();
  const [{ interfaces, defaultRouteOnly, fib, firewallMark, localPort, excludeDevice, clock: given } = assert.fail()] =
    opened;
  assert.deepEqual(
    { interfaces, defaultRouteOnly, fib, firewallMark, localPort, excludeDevice },
    {
      interfaces: ['em0', 'ng0'],
      defaultRouteOnly: true,
      fib: 2,
      firewallMark: 7,
      localPort: 51_820,
      excludeDevice: 'utun4',
    },
  );
  assert.equal(given, clock);
});

test('what a capture has to say is logged once, and again when it is something else', async () => {
  let missing = 'em9';
  const { logger, discover } = setUp(() => [
    new StunmeshError('ERR_CAPTURE_INTERFACE', `listen_interfaces: ${missing} is no interface`),
    new StunmeshError('ERR_CAPTURE_REWRITTEN', 'pf on this host rewrites the port'),
  ]);
  const warnings = () => logger.lines.filter(({ level }) => level === 'warn').length;
  for (let i = 0; i < 3; i += 1) await discover();
  assert.equal(warnings(), 2);
  missing = 'em8';
  for (let i = 0; i < 3; i += 1) await discover();
  assert.equal(warnings(), 3);
});

test("an answer that came to a port which this host's firewall made up counts all the same", async () => {
  const { discover } = setUp(undefined, true);
  assert.deepEqual((await discover()).endpoint, SEEN);
});
