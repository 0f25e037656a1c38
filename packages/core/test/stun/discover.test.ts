import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { settle } from '#src/testing/index.js';
import { A, B, C, D, E, MAPPED, published, refusing, setUp } from './discovery.js';
import { answering, type Behaviour, endpoint, failing, silent } from './fake-network.js';

test('a discovery behind a NAT says what to publish, who said so, and how long it took', async () => {
  const outcome = await setUp({ [A]: answering(MAPPED, 25) }).run();
  const { witnesses, ...found } = outcome.value ?? assert.fail(String(outcome.error));
  assert.equal(await witnesses, undefined, 'nobody else was asked');
  assert.deepEqual(found, {
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

test('F2 two silent servers do not delay the one that answers, and all are asked at the same time', async () => {
  const { run, network } = setUp({ [A]: silent, [B]: silent, [C]: answering(MAPPED, 30), [D]: silent });
  const outcome = await run();
  assert.equal(outcome.atMs, 30);
  assert.equal(outcome.value?.server, C);
  assert.deepEqual(
    network.sent.filter(({ atMs }) => atMs <= 30).map((s) => [s.atMs, s.to]),
    [
      [0, A],
      [0, B],
      [0, C],
    ],
  );
  assert.ok(!network.sent.some(({ to }) => to === D), 'the other two are enough as witnesses');
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

test('F2 no server is asked twice, and none any more once a good answer waits for the preferred one', async () => {
  const servers = { [A]: silent, [B]: answering(MAPPED, 900), [C]: silent, [D]: silent };
  const { run, network } = setUp(servers, { servers: [A, B, A, C, C, D], preferred: A });
  const outcome = await run();
  assert.equal(outcome.atMs, 1200);
  assert.deepEqual(
    network.sent.filter((s) => s.atMs === 0 || s.atMs === 1000).map((s) => s.to),
    [A, B, C],
  );
});

test('F2 a preferred server that fails is not waited for', async () => {
  const late = (request: Parameters<Behaviour>[0]) =>
    (refusing(request, 1) as { bytes: Uint8Array }[]).map((p) => ({ ...p, afterMs: 60 }));
  const servers = { [A]: late, [B]: answering(MAPPED, 20), [C]: silent };
  const outcome = await setUp(servers, { preferred: A }).run();
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
