import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { hasCode } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';
import { ATTRIBUTE, addressAttribute, xorAddressAttribute } from '#src/stun/attributes.js';
import { A, B, C, MAPPED, published, refusing, setUp } from './discovery.js';
import { answering, type Behaviour, endpoint, failing, LISTEN_PORT, reply, silent } from './fake-network.js';

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

test('silence everywhere is ERR_STUN_NO_RESPONSE at the limit, with each server in the message', async () => {
  const set = setUp({ [A]: silent, [B]: refusing }, { timeoutMs: 2000 });
  const outcome = await set.run();
  assert.equal(outcome.atMs, 2000);
  assert.ok(hasCode(outcome.error, 'ERR_STUN_NO_RESPONSE'));
  assert.match(String(outcome.error), /[(; ]no answer from 198\.51\.100\.1:3478/);
  assert.match(String(outcome.error), /198\.51\.100\.2:3478 answered error 500 Server Error/);
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

test('addresses of the other family are not asked, and a server that has no others has failed', async () => {
  const { run, network } = setUp(
    { '[2001:db8::53]:3478': answering('[2001:db8:1::7]:51820') },
    {
      family: 6,
      servers: [A, 'both.example:3478'],
      resolve: async () => ['198.51.100.9', 'nonsense', '2001:DB8::53'],
    },
  );
  const outcome = await run();
  assert.equal(published(outcome), '[2001:db8:1::7]:51820');
  assert.deepEqual(
    network.sent.map((s) => s.to),
    ['[2001:db8::53]:3478'],
  );
  assert.ok(hasCode(outcome.value?.failures.get(A), 'ERR_RESOLVE'));
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

test('a name that a proxy resolves to 198.18.0.0/15 is asked, and told as a stand-in; a number there is as meant', async () => {
  const notices: string[] = [];
  const options = {
    servers: ['stun.example:3478'],
    resolve: async () => ['198.18.3.4'],
    onNotice: ({ code, message }: { code: string; message: string }) => notices.push(`${code} ${message}`),
  };
  const { run } = setUp({ '198.18.3.4:3478': answering(MAPPED, 5) }, options);
  assert.equal(published(await run()), MAPPED);
  assert.match(notices.join(), /^ERR_STUN_STAND_IN stun\.example resolves to 198\.18\.3\.4.*fake-ip/);
  notices.length = 0;
  await setUp({ '198.18.3.4:3478': answering(MAPPED, 5) }, { onNotice: options.onNotice }).run();
  assert.deepEqual(notices, []);
});
