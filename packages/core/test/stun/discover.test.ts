import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';
import { ATTRIBUTE, addressAttribute, errorCodeAttribute, xorAddressAttribute } from '#src/stun/attributes.js';
import { type DiscoverOptions, type Discovery, discover } from '#src/stun/discover.js';
import { createFakeClock, settle } from '#src/testing/index.js';
import {
  answering,
  type Behaviour,
  createFakeNetwork,
  endpoint,
  failing,
  LISTEN_PORT,
  type Outcome,
  reply,
  silent,
  watch,
} from './fake-network.js';

const MAPPED = '203.0.113.7:40001';
const A = '198.51.100.1:3478';
const B = '198.51.100.2:3478';
const C = '198.51.100.3:3478';
const D = '198.51.100.4:3478';
const E = '198.51.100.5:3478';

const refusing: Behaviour = (request) => [
  { bytes: reply(request, [errorCodeAttribute({ code: 500, reason: 'Server Error' })], 'error'), afterMs: 10 },
];

function setUp(servers: Readonly<Record<string, Behaviour>>, options: Partial<DiscoverOptions> = {}) {
  const clock = createFakeClock();
  const network = createFakeNetwork(clock);
  for (const [address, behaviour] of Object.entries(servers)) network.add(address, behaviour);
  const abort = new AbortController();
  const go = () =>
    watch(
      discover({
        family: 4,
        listenPort: LISTEN_PORT,
        servers: Object.keys(servers),
        openSocket: (on) => network.openSocket(on),
        resolve: (host) => Promise.reject(new StunmeshError('ERR_RESOLVE', `${host} is not known`)),
        ownAddresses: ['192.168.1.2'],
        clock,
        random: (n) => Uint8Array.from(randomBytes(n)),
        signal: abort.signal,
        ...options,
      }),
      clock,
    );
  const run = async (ms = 10_000): Promise<Outcome<Discovery>> => {
    const outcome = go();
    await clock.advance(ms);
    assert.equal(network.sockets.open, 0, 'the socket is closed');
    assert.equal(clock.pending, 0, 'no timer is left');
    return outcome;
  };
  return { clock, network, abort, go, run };
}

const published = (outcome: Outcome<Discovery>) => outcome.value && formatEndpoint(outcome.value.endpoint);

test('a discovery behind a NAT says what to publish, who said so, and how long it took', async () => {
  const outcome = await setUp({ [A]: answering(MAPPED, 25) }).run();
  assert.deepEqual(outcome.value, {
    endpoint: endpoint(MAPPED),
    mapped: endpoint(MAPPED),
    server: A,
    serverAddress: endpoint(A),
    rttMs: 25,
    natted: true,
    failures: new Map(),
  });
});

test('an IPv6 discovery asks IPv6 servers and gives an IPv6 endpoint', async () => {
  const server = '[2001:db8::53]:3478';
  const set = setUp(
    { [server]: answering('[2001:db8:1::7]:51820') },
    { family: 6, ownAddresses: ['fe80::1', '2001:DB8:1:0::7'] },
  );
  const outcome = await set.run();
  assert.equal(published(outcome), '[2001:db8:1::7]:51820');
  assert.equal(outcome.value?.natted, false);
});

test('F1 wrong ids, sources, ports and classes are passed over and do not end the discovery', async () => {
  const lying: Behaviour = (request) => {
    const bad = endpoint('192.0.2.66:6666');
    const attributes = [xorAddressAttribute(bad, request.transactionId)];
    const foreign = { ...request, transactionId: new Uint8Array(12) };
    return [
      { bytes: reply(foreign, attributes) },
      { bytes: reply(foreign, attributes, 'error') },
      { bytes: reply(request, attributes), from: '198.51.100.1:9999' },
      { bytes: reply(request, attributes), from: '192.0.2.1:3478' },
      { bytes: reply(request, attributes), toPort: 1 },
      { bytes: reply(request, attributes, 'request') },
      { bytes: reply(request, attributes, 'indication') },
      { bytes: Uint8Array.from(randomBytes(60)) },
      { bytes: reply(request, []), from: '192.0.2.1:3478' },
      ...(answering(MAPPED, 50)(request, 1) as []),
    ];
  };
  const outcome = await setUp({ [A]: lying }).run();
  assert.equal(published(outcome), MAPPED);
  assert.equal(outcome.atMs, 50);
});

test('F2 two silent servers do not delay the one that answers, and all are asked at the same time', async () => {
  const { run, network } = setUp({ [A]: silent, [B]: silent, [C]: answering(MAPPED, 30), [D]: silent });
  const outcome = await run();
  assert.equal(outcome.atMs, 30);
  assert.equal(outcome.value?.server, C);
  assert.deepEqual(
    network.sent.map((s) => [s.atMs, s.to]),
    [
      [0, A],
      [0, B],
      [0, C],
    ],
  );
});

test('F2 a server that answers an error is replaced at once by the next one', async () => {
  const { run } = setUp({ [A]: refusing, [B]: silent, [C]: refusing, [D]: silent, [E]: answering(MAPPED, 30) });
  const outcome = await run();
  assert.equal(outcome.atMs, 40);
  assert.equal(outcome.value?.server, E);
  assert.deepEqual([...(outcome.value?.failures.keys() ?? [])], [A, C]);
});

test('F2 further servers join after a second of silence', async () => {
  const { run } = setUp({ [A]: silent, [B]: silent, [C]: silent, [D]: silent, [E]: answering(MAPPED, 30) });
  assert.equal((await run()).atMs, 1030);
});

test('F2 a lost request or reply is made good by the retransmission', async () => {
  const lossy: Behaviour = (request, n) => (n < 3 ? [] : answering(MAPPED, 10)(request, n));
  const outcome = await setUp({ [A]: lossy }).run();
  assert.equal(outcome.atMs, 1510);
});

test('F2 the preferred server wins within 300 ms of the first other answer, and is asked first', async () => {
  const servers = {
    [A]: answering('203.0.113.7:1001', 10),
    [B]: silent,
    [C]: silent,
    [D]: answering('203.0.113.7:1004', 290),
  };
  const { run, network } = setUp(servers, { preferred: D });
  const outcome = await run();
  assert.equal(network.sent[0]?.to, D);
  assert.equal(published(outcome), '203.0.113.7:1004');
  assert.equal(outcome.atMs, 290);
});

test('F2 a silent preferred server delays the result by 300 ms and no more', async () => {
  const servers = { [A]: silent, [B]: answering(MAPPED, 20), [C]: answering('203.0.113.7:9', 100) };
  const outcome = await setUp(servers, { preferred: A }).run();
  assert.equal(outcome.atMs, 320);
  assert.equal(published(outcome), MAPPED);
});

test('F2 a preferred server that fails is not waited for', async () => {
  const late = (request: Parameters<Behaviour>[0]) =>
    (refusing(request, 1) as { bytes: Uint8Array }[]).map((p) => ({ ...p, afterMs: 60 }));
  const outcome = await setUp({ [A]: late, [B]: answering(MAPPED, 20) }, { preferred: A }).run();
  assert.equal(outcome.atMs, 60);
  assert.equal(published(outcome), MAPPED);
  const gone = await setUp({ [B]: answering(MAPPED, 20) }, { preferred: 'gone.example:3478' }).run();
  assert.equal(gone.atMs, 20);
});

test('F2 a preferred name is asked at the address that it had the last time', async () => {
  const servers = { '192.0.2.1:3478': answering('203.0.113.7:1'), '192.0.2.2:3478': answering('203.0.113.7:2') };
  for (const addresses of [
    ['192.0.2.1', '192.0.2.2'],
    ['192.0.2.2', '192.0.2.1'],
  ]) {
    const { run } = setUp(servers, {
      servers: ['stun.example:3478'],
      preferred: 'stun.example:3478',
      preferredAddress: endpoint('192.0.2.2:3478'),
      resolve: async () => addresses,
    });
    assert.equal(published(await run()), '203.0.113.7:2');
  }
});

test('F2 one socket serves the whole discovery, and is closed however it ends', async () => {
  const good = setUp({ [A]: silent, [B]: refusing, [C]: answering(MAPPED, 700) });
  await good.run();
  assert.deepEqual(good.network.sockets, { opened: 1, open: 0 });

  const bad = setUp({ [A]: silent });
  const failed = await bad.run();
  assert.equal(failed.atMs, 5000);
  assert.deepEqual(bad.network.sockets, { opened: 1, open: 0 });

  const broken = setUp({ [A]: silent });
  const fault = broken.go();
  await broken.clock.advance(100);
  broken.network.fault();
  await broken.clock.advance(0);
  assert.ok(hasCode(fault.error, 'ERR_CAPTURE_LOST'));
  assert.deepEqual(broken.network.sockets, { opened: 1, open: 0 });
  assert.equal(broken.clock.pending, 0);
});

test('F2 a socket that breaks while the preferred server is waited for does not spoil a good answer', async () => {
  const { go, clock, network } = setUp({ [A]: silent, [B]: answering(MAPPED, 20) }, { preferred: A });
  const outcome = go();
  await clock.advance(100);
  network.fault();
  await clock.advance(0);
  assert.equal(published(outcome), MAPPED);
});

test('an abort ends a discovery at once with the signal’s reason', async () => {
  const { go, clock, network, abort } = setUp({ [A]: silent });
  const outcome = go();
  await clock.advance(100);
  abort.abort(new StunmeshError('ERR_CLOSED', 'stop'));
  await clock.advance(0);
  assert.ok(hasCode(outcome.error, 'ERR_CLOSED'));
  assert.deepEqual(network.sockets, { opened: 1, open: 0 });
  assert.equal(clock.pending, 0);
});

test('a socket that opens after the abort is closed', async () => {
  let open: (() => void) | undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const set = setUp({ [A]: silent });
  const late = setUp(
    { [A]: silent },
    {
      openSocket: async (on) => {
        await opened;
        return set.network.openSocket(on);
      },
    },
  );
  const outcome = late.go();
  await late.clock.advance(10);
  late.abort.abort(new StunmeshError('ERR_CLOSED', 'stop'));
  await settle();
  assert.ok(hasCode(outcome.error, 'ERR_CLOSED'));
  open?.();
  await settle();
  assert.deepEqual(set.network.sockets, { opened: 1, open: 0 });
});

test('a socket that cannot be opened fails the discovery with its own error', async () => {
  const denied = () => Promise.reject(new StunmeshError('ERR_CAPTURE_PERMISSION', 'no'));
  const outcome = await setUp({ [A]: silent }, { openSocket: denied }).run();
  assert.ok(hasCode(outcome.error, 'ERR_CAPTURE_PERMISSION'));
});

test('names are resolved in each discovery; one that does not resolve, or hangs, is one failed server', async () => {
  const asked: string[] = [];
  const set = setUp(
    { [B]: answering(MAPPED, 10) },
    {
      servers: ['gone.example:3478', 'hangs.example:3478', 'good.example:3478'],
      resolve: async (host) => {
        asked.push(host);
        if (host === 'gone.example') throw new StunmeshError('ERR_RESOLVE', 'no such name');
        return host === 'good.example' ? ['198.51.100.2'] : new Promise(() => {});
      },
    },
  );
  const outcome = await set.run();
  assert.equal(outcome.atMs, 10);
  assert.equal(outcome.value?.server, 'good.example:3478');
  assert.ok(hasCode(outcome.value?.failures.get('gone.example:3478'), 'ERR_RESOLVE'));
  await set.run();
  assert.equal(asked.length, 6);
});

test('a name with several addresses gets its second one asked when the first is no good', async () => {
  const servers = { '192.0.2.1:3478': failing('ERR_CAPTURE_UNREACHABLE'), '192.0.2.2:3478': answering(MAPPED, 10) };
  const { run } = setUp(servers, { servers: ['stun.example:3478'], resolve: async () => ['192.0.2.1', '192.0.2.2'] });
  const outcome = await run();
  assert.equal(outcome.atMs, 10);
  assert.equal(outcome.value?.failures.size, 0);
  const silentFirst = setUp(
    { '192.0.2.1:3478': silent, '192.0.2.2:3478': answering(MAPPED, 10) },
    { servers: ['stun.example:3478'], resolve: async () => ['192.0.2.1', '192.0.2.2'] },
  );
  assert.equal((await silentFirst.run()).atMs, 1010);
});

test('silence everywhere is ERR_STUN_NO_RESPONSE at the limit, with each server in the message', async () => {
  const set = setUp({ [A]: silent, [B]: refusing }, { timeoutMs: 2000 });
  const outcome = await set.run();
  assert.equal(outcome.atMs, 2000);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_NO_RESPONSE'));
  assert.match(String(outcome.error), /198\.51\.100\.1:3478: no answer/);
  assert.match(String(outcome.error), /198\.51\.100\.2:3478: .*error 500 Server Error/);
});

test('refusal by every server that was asked is ERR_STUN_REFUSED, at once', async () => {
  const set = setUp({ [A]: refusing, [B]: refusing }, { servers: [A, B, 'gone.example:3478'] });
  const outcome = await set.run();
  assert.equal(outcome.atMs, 10);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_REFUSED'));
});

test('no server, none that resolves, none that can be read: ERR_STUN_NO_SERVER', async () => {
  for (const servers of [[], ['gone.example:3478'], ['no-port.example', ':1', 'a:0', 'a:65536', '[1.2.3.4]:1', '']]) {
    const { run, network } = setUp({}, { servers });
    const outcome = await run();
    assert.ok(hasCode(outcome.error, 'ERR_STUN_NO_SERVER'), String(outcome.error));
    assert.equal(network.sent.length, 0);
  }
});

test('F5 F6b a blocked probe is named as such when no server works', async () => {
  const blocked = failing('ERR_CAPTURE_BLOCKED');
  const outcome = await setUp({ [A]: blocked, [B]: blocked, [C]: failing('ERR_CAPTURE_UNREACHABLE') }).run();
  assert.equal(outcome.atMs, 0);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_BLOCKED'), String(outcome.error));
  const other = await setUp({ [A]: blocked, [B]: answering(MAPPED, 20) }).run();
  assert.equal(published(other), MAPPED);
});

test('F6b no route to any server is ERR_STUN_NO_ROUTE, to some of them is not', async () => {
  const unreachable = failing('ERR_CAPTURE_UNREACHABLE');
  const none = await setUp({ [A]: unreachable, [B]: unreachable }, { servers: [A, B, 'gone.example:1'] }).run();
  assert.ok(hasCode(none.error, 'ERR_STUN_NO_ROUTE'), String(none.error));
  const some = await setUp({ [A]: unreachable, [B]: silent }).run();
  assert.ok(hasCode(some.error, 'ERR_STUN_NO_RESPONSE'), String(some.error));
});

test('F7 an unusable mapped address fails that server alone: unspecified, loopback, multicast, broadcast, family, port 0', async () => {
  const unusable = [
    '0.0.0.0:1000',
    '127.0.0.1:1000',
    '224.0.0.1:1000',
    '255.255.255.255:1000',
    '[2001:db8::1]:1000',
    '[::ffff:203.0.113.7]:1000',
    '203.0.113.7:0',
  ];
  for (const mapped of unusable) {
    const alone = await setUp({ [A]: answering(mapped) }).run();
    assert.ok(hasCode(alone.error, 'ERR_STUN_REFUSED'), mapped);
    assert.ok(String(alone.error).includes(mapped), String(alone.error));
    const beside = await setUp({ [A]: answering(mapped, 5), [B]: answering(MAPPED, 20) }).run();
    assert.equal(published(beside), MAPPED, mapped);
  }
  const empty: Behaviour = (request) => [{ bytes: reply(request, []) }];
  assert.ok(hasCode((await setUp({ [A]: empty }).run()).error, 'ERR_STUN_REFUSED'));
});

test('F7 MAPPED-ADDRESS alone is accepted', async () => {
  const old: Behaviour = (request) => [
    { bytes: reply(request, [addressAttribute(ATTRIBUTE.MAPPED_ADDRESS, endpoint(MAPPED))]) },
  ];
  assert.equal(published(await setUp({ [A]: old }).run()), MAPPED);
});

test("F7 one of this host's own addresses means no NAT: the listen port is published, whatever port the probe showed", async () => {
  const set = setUp({ [A]: answering('203.0.113.9:61234') }, { ownAddresses: ['10.0.0.1', '203.0.113.9'] });
  const outcome = await set.run();
  assert.equal(published(outcome), `203.0.113.9:${LISTEN_PORT}`);
  assert.equal(outcome.value?.natted, false);
  assert.equal(outcome.value && formatEndpoint(outcome.value.mapped), '203.0.113.9:61234');
});

test('F19 servers at addresses that no packet may go to are not asked', async () => {
  const refused = [
    '127.0.0.1:3478',
    '0.0.0.0:3478',
    '224.0.0.1:3478',
    '255.255.255.255:3478',
    `203.0.113.9:${LISTEN_PORT}`,
  ];
  const answers = Object.fromEntries(refused.map((address) => [address, answering(MAPPED)]));
  const { run, network } = setUp(answers, { ownAddresses: ['203.0.113.9'] });
  const outcome = await run();
  assert.ok(hasCode(outcome.error, 'ERR_STUN_NO_SERVER'), String(outcome.error));
  assert.equal(network.sent.length, 0);
  assert.match(String(outcome.error), /127\.0\.0\.1:3478 is not asked: loopback address/);
});

test('F19 a server whose route leaves by the tunnel is not asked; another address of its name is', async () => {
  const { run, network } = setUp(
    { '192.0.2.1:3478': answering(MAPPED), '192.0.2.2:3478': answering(MAPPED) },
    {
      servers: ['stun.example:3478'],
      resolve: async () => ['192.0.2.1', '192.0.2.2'],
      refuseServer: async (address) => (address === '192.0.2.1' ? 'its route leaves by wg0' : undefined),
    },
  );
  const outcome = await run();
  assert.equal(outcome.value && formatEndpoint(outcome.value.serverAddress), '192.0.2.2:3478');
  assert.deepEqual(
    network.sent.map((s) => s.to),
    ['192.0.2.2:3478'],
  );
});
