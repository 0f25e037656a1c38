/** What UPnP routers answer besides yes, and what a hostile one may name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Gateway } from '#src/portmap/gateway.js';
import { isMapping } from '#src/portmap/mapping.js';
import { mapByUpnp, releaseByUpnp } from '#src/portmap/upnp-client.js';
import { createFakeClock } from '#src/testing/index.js';
import { createFakeRouter, type FakeRouter } from './fake-router.js';

const { signal } = new AbortController();

function setUp(change: (fake: FakeRouter) => void) {
  const clock = createFakeClock();
  const fake = createFakeRouter(clock, ['upnp']);
  change(fake);
  const notes: string[] = [];
  const at = (port: number) => ({ family: 4, address: fake.address, port }) as const;
  const gateway: Gateway = {
    family: 4,
    address: fake.address,
    source: '192.168.1.2',
    clock,
    budget: { take: () => true },
    random: (bytes) => new Uint8Array(bytes),
    openDatagramSocket: (port, on) => fake.openDatagramSocket({ to: at(port), ...on }),
    connectTcp: (port, signal) => fake.connectTcp({ to: at(port), signal }),
    note: (what) => notes.push(what),
  };
  const request = {
    family: 4,
    internalPort: 51_820,
    reflexiveAddress: '203.0.113.9',
    taken: [51_820, 40_000],
    externalPort: (attempt: number) => 30_000 + attempt,
  } as const;
  const map = async () => {
    const work = mapByUpnp(gateway, request, signal);
    await clock.advance(10);
    await clock.advance(4_000);
    return await work;
  };
  const mapped = async () => {
    const outcome = await map();
    return isMapping(outcome) ? outcome : assert.fail(outcome.why);
  };
  return { fake, gateway, notes, map, mapped };
}

test('F54 a permanent mapping is asked for only where the router says that it knows no other', async () => {
  for (const refusal of [725, 402]) {
    const { fake, mapped } = setUp((router) => router.faults.push(refusal));
    const { leaseSeconds, externalPort } = await mapped();
    assert.equal(leaseSeconds, 0);
    assert.equal(fake.entries.get(externalPort)?.leaseSeconds, 0);
  }
  const { fake, mapped } = setUp(() => undefined);
  await mapped();
  assert.deepEqual(
    [...fake.entries.values()].map(({ leaseSeconds }) => leaseSeconds),
    [7_200],
  );
});

test('F56 version 1, and a port of somebody else: the next one is asked for, and his is never deleted', async () => {
  const theirs = { client: '192.168.1.77', internalPort: 5, leaseSeconds: 9 };
  const { fake, gateway, mapped } = setUp((router) => {
    router.version = 1;
    router.entries.set(30_000, theirs);
  });
  const mapping = await mapped();
  assert.equal(mapping.externalPort, 30_001);
  assert.equal(await releaseByUpnp(gateway, { ...mapping, externalPort: 30_000 }, signal), false);
  assert.equal(fake.entries.get(30_000), theirs);
  assert.equal(await releaseByUpnp(gateway, mapping, signal), true);
});

test('F51 a router that maps equal ports only gets the listen port, and one without AddAnyPortMapping the older action', async () => {
  const { mapped } = setUp((router) => router.faults.push(724));
  assert.equal((await mapped()).externalPort, 51_820);
  const older = setUp((router) => router.faults.push(401));
  assert.equal((await older.mapped()).externalPort, 30_000);
  assert.ok(older.fake.arrived.some(({ what }) => what === 'http AddPortMapping'));
});

test('F55 a description or a control address of another host is never asked, and named', async () => {
  const strange: readonly ((router: FakeRouter) => void)[] = [
    (router) => {
      router.location = 'http://127.0.0.1:22/';
    },
    (router) => {
      router.location = 'http://[::ffff:192.168.1.1]:5000/';
    },
    (router) => {
      router.location = 'https://192.168.1.1/';
    },
    (router) => {
      router.control = 'http://169.254.169.254/latest/';
    },
    (router) => {
      router.control = 'http://192.168.1.1@10.0.0.1/';
    },
  ];
  for (const change of strange) {
    // The double throws where another host is connected to.
    const { fake, map } = setUp(change);
    const outcome = await map();
    assert.ok(!isMapping(outcome));
    assert.equal(fake.entries.size, 0);
  }
  const { notes, map } = setUp((router) => {
    router.location = 'http://192.168.1.66:5000/';
  });
  await map();
  assert.match(notes[0] ?? '', /192\.168\.1\.66/);
});

test('a router that says yes and maps nothing, or to somebody else, mapped nothing', async () => {
  const { map, fake } = setUp(() => undefined);
  const set = fake.entries.set.bind(fake.entries);
  fake.entries.set = (port, entry) => set(port, { ...entry, client: '192.168.1.99' });
  const outcome = await map();
  assert.ok(!isMapping(outcome) && outcome.kind === 'refused');
});
