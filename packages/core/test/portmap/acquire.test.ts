/** Getting, renewing and releasing a mapping from a scripted router. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Route } from '#src/api/index.js';
import type { PortmapProtocol } from '#src/config/index.js';
import { chooseExternalPort } from '#src/portmap/codec/external-port.js';
import type { Mapping } from '#src/portmap/mapping.js';
import { createRouter } from '#src/portmap/router.js';
import { portmapFault } from '#src/portmap/verdict.js';
import { createFakeClock, type FakeClock, fakePublicKey } from '#src/testing/index.js';
import { createFakeRouter, type FakeRouter } from './fake-router.js';

const KEY = fakePublicKey('own');
const LISTEN = 51_820;
const REFLEXIVE = { address: '203.0.113.9', port: 40_000 };
const ALL: readonly PortmapProtocol[] = ['pcp', 'nat-pmp', 'upnp'];

async function run<T>(clock: FakeClock, work: Promise<T>): Promise<T> {
  let done = false;
  const finished = work.finally(() => {
    done = true;
  });
  for (let i = 0; i < 400 && !done; i += 1) await clock.advance(25);
  return await finished;
}

function setUp(speaks: readonly PortmapProtocol[]) {
  const clock = createFakeClock();
  const fake = createFakeRouter(clock, speaks);
  const notes: string[] = [];
  const way: Route = { interface: 'eth0', source: '192.168.1.2', gateway: '192.168.1.1' };
  const router = createRouter({
    underlay: {
      ...fake,
      routeTo: async (to) => (to === fake.address ? { interface: 'eth0', source: '192.168.1.2' } : way),
    },
    clock,
    random: (bytes) => new Uint8Array(bytes).fill(7),
    note: (what) => notes.push(what),
  });
  const { signal } = new AbortController();
  const gateway = async () => (await router.find(4, '198.51.100.1')) ?? assert.fail('no gateway');
  const wish = { key: KEY, internalPort: LISTEN, reflexive: REFLEXIVE };
  const map = async (protocols = ALL, own?: Mapping) =>
    run(clock, router.map(await gateway(), { ...wish, ...(own ? { own } : {}) }, new Set(protocols), signal));
  const granted = async (protocols = ALL): Promise<Mapping> => (await map(protocols)).mapping ?? assert.fail('none');
  const release = async (mapping: Mapping) => run(clock, router.release(await gateway(), mapping, signal));
  const inquire = async (mapping: Mapping) => run(clock, router.inquire(await gateway(), mapping, signal));
  return { clock, fake, notes, map, granted, release, inquire };
}

const code = (fake: FakeRouter, failures: Parameters<typeof portmapFault>[0]) =>
  portmapFault(failures, fake.address)?.code;

for (const protocol of ALL) {
  test(`F59 ${protocol}: a port is mapped, looked after, renewed and released`, async () => {
    const { clock, fake, granted, map, inquire, release } = setUp([protocol]);
    const mapping = await granted();
    assert.equal(mapping.protocol, protocol);
    assert.equal(mapping.externalPort, chooseExternalPort(KEY, [LISTEN, REFLEXIVE.port]));
    assert.equal(mapping.leaseSeconds, 7_200);
    assert.deepEqual([...fake.entries.keys()], [mapping.externalPort]);
    assert.equal((await inquire(mapping)).kind, 'kept');
    await clock.advance(60_000);
    const renewed = (await map(ALL, mapping)).mapping;
    assert.deepEqual([renewed?.externalPort, renewed?.nonce], [mapping.externalPort, mapping.nonce]);
    assert.equal(await release(mapping), true);
    assert.equal(fake.entries.size, 0);
    assert.notEqual((await inquire(mapping)).kind, protocol === 'upnp' ? 'kept' : 'lost');
  });

  test(`F53 ${protocol}: a router that restarted has lost the mapping`, async () => {
    const { clock, fake, granted, inquire } = setUp([protocol]);
    const mapping = await granted();
    await clock.advance(60_000);
    fake.restart();
    assert.equal((await inquire(mapping)).kind, 'lost');
  });

  test(`F50 ${protocol}: a private external address, and one that STUN does not see, are a double NAT; nothing stays mapped`, async () => {
    for (const external of ['100.64.0.9', '198.51.100.77']) {
      const { fake, map } = setUp([protocol]);
      fake.external = external;
      const { mapping, failures } = await map();
      assert.equal(mapping, undefined);
      assert.equal(code(fake, failures), 'ERR_PORTMAP_DOUBLE_NAT');
      assert.match(failures.at(-1)?.why ?? '', new RegExp(external.replaceAll('.', '\\.')));
      assert.equal(fake.entries.size, 0);
    }
  });

  test(`F51 ${protocol}: a port that is somebody else's stays his, and the one that was given instead is taken`, async () => {
    const { fake, granted } = setUp([protocol]);
    const wanted = chooseExternalPort(KEY, [LISTEN, REFLEXIVE.port]);
    const theirs = { client: '192.168.1.77', internalPort: 5, leaseSeconds: 9 };
    fake.entries.set(wanted, theirs);
    const mapping = await granted();
    assert.equal(mapping.externalPort, wanted + 1);
    assert.equal(fake.entries.get(wanted), theirs);
  });

  test(`F42 ${protocol}: at most twelve packets a minute, whatever is asked`, async () => {
    const { clock, fake, map } = setUp([protocol]);
    for (let i = 0; i < 10; i += 1) await map();
    const first = fake.arrived[0]?.at ?? 0;
    assert.ok(fake.arrived.filter(({ at }) => at - first < 60_000).length <= 12);
    await clock.advance(60_000);
    assert.ok((await map()).mapping);
  });
}

test('F57 a router of NAT-PMP alone says so to PCP, and one of UPnP alone refuses both: no time is lost', async () => {
  for (const [speaks, first] of [
    ['nat-pmp', ['absent']],
    ['upnp', ['absent', 'absent']],
  ] as const) {
    const { clock, map } = setUp([speaks]);
    const began = clock.now();
    const { mapping, failures } = await map();
    assert.equal(mapping?.protocol, speaks);
    assert.deepEqual(
      failures.map(({ kind }) => kind),
      first,
    );
    assert.ok(clock.now() - began < 300, `${clock.now() - began} ms`);
  }
});

test('a router that is silent is asked six times in all, and given up after three seconds', async () => {
  const { clock, fake, map } = setUp(ALL);
  fake.silent = true;
  const began = clock.now();
  const { failures } = await map();
  assert.deepEqual(
    failures.map(({ kind }) => kind),
    ['silent', 'silent', 'silent'],
  );
  assert.equal(code(fake, failures), 'ERR_PORTMAP_NONE');
  assert.equal(fake.arrived.length, 6);
  assert.ok(clock.now() - began <= 3_300, `${clock.now() - began} ms`);
});

test('a router that refuses by all protocols is said to', async () => {
  const { fake, map } = setUp(ALL);
  fake.refuses = 2;
  fake.faults = [606];
  const { failures } = await map();
  assert.deepEqual(
    failures.map(({ kind }) => kind),
    ['refused', 'refused', 'refused'],
  );
  assert.equal(code(fake, failures), 'ERR_PORTMAP_REFUSED');
});

test('F55 answers that are not to our question are passed over, and named once', async () => {
  const { fake, notes, granted } = setUp(['pcp']);
  fake.lie = (answer) => {
    const other = Uint8Array.from(answer);
    other[25] = (other[25] ?? 0) ^ 1;
    other.set([198, 51, 100, 66], 56);
    return other;
  };
  const mapping = await granted();
  assert.equal(mapping.externalAddress, '203.0.113.9');
  assert.equal(notes.length, 1);
});

test('F58 the inside address is the one that faces the router; in IPv6 the one that WireGuard has', async () => {
  const clock = createFakeClock();
  const fake = createFakeRouter(clock, ['pcp']);
  const opened: unknown[] = [];
  const ways: Readonly<Record<string, Route>> = {
    '198.51.100.1': { interface: 'eth0', source: '10.9.9.9', gateway: '192.168.1.1' },
    '192.168.1.1': { interface: 'eth0', source: '192.168.1.2' },
    '2001:db8::5': { interface: 'eth1', source: '2001:db8:1::2', gateway: 'fe80::1' },
    'fe80::1': { interface: 'eth1', source: 'fe80::2' },
    '192.168.1.9': { interface: 'eth0', source: '192.168.1.2' },
  };
  const router = createRouter({
    underlay: {
      routeTo: async (to) => ways[to],
      openDatagramSocket: (options) => {
        opened.push([options.from, options.to.address, options.to.zone]);
        return fake.openDatagramSocket(options);
      },
      connectTcp: fake.connectTcp,
    },
    clock,
    random: (bytes) => new Uint8Array(bytes),
    note: () => undefined,
  });
  const on = { onMessage: () => undefined, onFault: () => undefined };
  for (const [family, to] of [
    [4, '198.51.100.1'],
    [6, '2001:db8::5'],
  ] as const)
    await (await router.find(family, to))?.openDatagramSocket(5351, on);
  assert.deepEqual(opened, [
    ['192.168.1.2', '192.168.1.1', undefined],
    ['2001:db8:1::2', 'fe80::1', 'eth1'],
  ]);
  assert.equal(await router.find(4, '192.168.1.9'), undefined);
});

test('F52 what an earlier process had is renewed by its nonce, port and protocol', async () => {
  const { fake, granted, map } = setUp(['pcp', 'nat-pmp']);
  const { epoch: _, ...before } = await granted(['pcp']);
  const nonce = new Uint8Array(12).fill(9);
  const again = (await map(ALL, { ...before, nonce, externalPort: 30_001 })).mapping;
  assert.deepEqual([again?.externalPort, again?.nonce], [30_001, nonce]);
  assert.equal(fake.entries.get(30_001)?.nonce, '09'.repeat(12));
  const other = (await map(ALL, { ...before, nonce, gateway: '192.168.1.254' })).mapping;
  assert.notDeepEqual(other?.nonce, nonce);
});
