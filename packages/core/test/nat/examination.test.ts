/** What a device's own facts make of the questions: its port and mark, its way out, its peers, and what a capture can see. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { type CaptureModule, type Peer, type PublicKey, StunmeshError } from '#src/api/index.js';
import type { NatBehaviour } from '#src/nat/behaviour.js';
import { type DeviceNatOptions, discoverDeviceNat } from '#src/nat/examination.js';
import { encodeEcho, parseEcho, parseEndpoint } from '#src/net/index.js';
import { createAgent } from '#src/stun/agent.js';
import { createFakeCapture, createFakeClock, createMemoryLogger } from '#src/testing/index.js';
import { createUnderlays, type UnderlayDevice } from '#src/underlay/underlay.js';
import { createFakeNat, type FakeNatOptions, type FakeServer, OWN } from '../stun/fake-nat.js';
import { watch } from '../stun/fake-network.js';

const PAIR: FakeServer = { addresses: ['198.51.100.1:3478', '198.51.100.2:3478'] };
const PLAIN: FakeServer = { addresses: ['192.0.2.1:3478'] };
const OUTSIDE = '203.0.113.7';

interface Setting {
  readonly nat: FakeNatOptions;
  readonly servers?: readonly FakeServer[];
  readonly names?: readonly string[];
  readonly options?: Partial<DeviceNatOptions>;
  readonly peers?: readonly string[];
  readonly capture?: Partial<CaptureModule>;
  readonly config?: UnderlayDevice['config'];
  /** Default: `OWN` alone. */
  readonly own?: readonly string[];
}

async function find(setting: Setting): Promise<NatBehaviour & { readonly pings: readonly string[] }> {
  const clock = createFakeClock();
  const servers = setting.servers ?? [PAIR];
  const network = createFakeNat(clock, setting.nat, servers);
  const fake = createFakeCapture();
  const pings: string[] = [];
  fake.onEcho = ({ packet, to, device, ttl }) => {
    pings.push(`${device} ${to}`);
    const echo = parseEcho(4, packet);
    if (echo && (ttl ?? 64) >= 3) fake.deliverEcho(device, 4, encodeEcho(4, { ...echo, kind: 'reply' }), to);
  };
  const peers = (setting.peers ?? []).map((text, i): [PublicKey, Peer] => {
    const publicKey = `peer ${i}` as PublicKey;
    const endpoint = parseEndpoint(text);
    const quiet = { allowedIps: [], rxBytes: 0, txBytes: 0, keepaliveSeconds: 0 };
    return [publicKey, { publicKey, ...quiet, ...(endpoint ? { endpoint } : {}) }];
  });
  const capture: CaptureModule = {
    ...fake,
    async openStunSocket(options) {
      assert.deepEqual(
        [options.localPort, options.excludeDevice, options.firewallMark, options.defaultRouteOnly],
        [51820, 'utun3', 7, true],
      );
      return network.openSocket(options);
    },
    ...setting.capture,
  };
  const addresses = (setting.own ?? [OWN]).map((address) => ({ family: 4, address, prefixLength: 24 }) as const);
  fake.setInterfaces([{ name: 'eth0', index: 2, up: true, loopback: false, addresses }]);
  const underlay = createUnderlays({ capture, clock, logger: createMemoryLogger() })({
    name: 'wg0',
    facts: { realName: 'utun3', listenPort: 51820, firewallMark: 7 },
    config: setting.config ?? { listenInterfaces: [], listenDefaultRoute: true },
  });
  const outcome = watch(
    discoverDeviceNat(
      {
        underlay,
        agent: createAgent({
          clock,
          random: (n) => Uint8Array.from(randomBytes(n)),
          openSocket: underlay.openStunSocket,
          binding: underlay.binding,
        }),
        clock,
        resolve: async () => ['192.0.2.1'],
        random: (n) => Uint8Array.from(randomBytes(n)),
      },
      {
        family: 4,
        device: { listenPort: 51820, peers: new Map(peers) },
        servers: setting.names ?? servers.map(({ addresses }) => addresses[0]),
        signal: new AbortController().signal,
        ...setting.options,
      },
    ),
    clock,
  );
  await clock.advance(20_000);
  if (!outcome.value) throw outcome.error;
  return { ...outcome.value, pings };
}

const CONE: FakeNatOptions = { mapping: 'endpoint-independent', filtering: 'address-dependent', outside: OUTSIDE };

test('the questions leave by the port and mark of the device, and pings by the way to the servers tell the distance', async () => {
  const found = await find({ nat: CONE });
  assert.deepEqual(
    [found.mapping, found.filtering, found.doubleNat],
    ['endpoint-independent', 'address-dependent', true],
  );
  assert.deepEqual(new Set(found.pings), new Set([`eth0 ${OUTSIDE}`]));
  const spared = await find({ nat: CONE, options: { distance: false } });
  assert.deepEqual([spared.doubleNat, spared.pings], [undefined, []]);
});

test("the peers' addresses count as known to the NAT, and so do those that the caller names", async () => {
  const nat: FakeNatOptions = { ...CONE, filtering: 'endpoint-independent' };
  assert.equal((await find({ nat })).filtering, 'endpoint-independent');
  const peered = await find({ nat, peers: ['198.51.100.2:51820', 'nowhere'] });
  assert.equal(peered.filtering, 'address-dependent');
  assert.match(peered.reasons.join('\n'), /packets went to 198\.51\.100\.2 before/);
  assert.equal((await find({ nat, options: { contacted: ['198.51.100.2'] } })).filtering, 'address-dependent');
});

test('the carrier is seen by the address on the way out; a capture that tells no routes sees less and fails nothing', async () => {
  const way = async () => ({ interface: 'wwan0', source: '100.70.1.2' });
  assert.equal((await find({ nat: CONE, capture: { routeTo: way } })).cgnat, true);
  const asked: string[] = [];
  await find({
    nat: CONE,
    servers: [PLAIN],
    names: ['stun.test:3478'],
    config: { listenInterfaces: ['wwan0'], listenDefaultRoute: true, fib: 2 },
    capture: {
      async routeTo({ to, fib }) {
        asked.push(`${to} fib ${fib}`);
        return way();
      },
    },
  });
  assert.equal(asked[0], '192.0.2.1 fib 2');
  const without = await find({ nat: CONE, capture: { routeTo: async () => undefined } });
  assert.deepEqual([without.cgnat, without.doubleNat, without.mapping], [false, undefined, 'endpoint-independent']);
});

test('F19 a server whose way leads into the tunnel is not asked, and neither is its other address', async () => {
  const into = (address: string): Partial<CaptureModule> => ({
    routeTo: async ({ to }) => ({ interface: to === address ? 'utun3' : 'eth0', source: OWN }),
  });
  const none = await find({ nat: CONE, capture: into('198.51.100.1') });
  assert.equal(none.failures.get('198.51.100.1:3478')?.code, 'ERR_STUN_ADDRESS');
  const other = await find({ nat: CONE, servers: [PAIR, PLAIN], capture: into('198.51.100.2') });
  assert.deepEqual([other.mapping, other.filtering], ['endpoint-independent', 'unknown']);
  const alone = await find({ nat: CONE, capture: into('198.51.100.2') });
  assert.deepEqual([alone.mapping, alone.how], ['unknown', 'single']);
  const ourselves = await find({ nat: CONE, own: [OWN, '198.51.100.2'] });
  assert.deepEqual([ourselves.mapping, ourselves.filtering], ['unknown', 'unknown']);
});

test('where packets are read in front of the firewall a host without NAT is not called open', async () => {
  const nat: FakeNatOptions = { mapping: 'none', filtering: 'endpoint-independent' };
  assert.equal((await find({ nat })).filtering, 'endpoint-independent');
  assert.equal((await find({ nat, capture: { capturesBeforeFirewall: true } })).filtering, 'unknown');
});

test('a socket that cannot be opened is the error of all of it', async () => {
  const refused = new StunmeshError('ERR_CAPTURE_PERMISSION', 'not allowed');
  await assert.rejects(find({ nat: CONE, capture: { openStunSocket: () => Promise.reject(refused) } }), refused);
});
