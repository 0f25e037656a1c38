import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode, StunmeshError } from '#src/api/index.js';
import { discoverNatBehaviour, type NatBehaviour, type NatOptions, type NatParts } from '#src/nat/behaviour.js';
import { formatEndpoint } from '#src/net/index.js';
import { createFakeClock } from '#src/testing/index.js';
import { createFakeNat, type FakeNatOptions, type FakeServer, LISTEN_PORT, OWN } from '../stun/fake-nat.js';
import { agentOver, watch } from '../stun/fake-network.js';

const PAIR: FakeServer = { addresses: ['198.51.100.1:3478', '198.51.100.2:3478'] };
const PLAIN: FakeServer = { addresses: ['192.0.2.1:3478'] };
const OTHER: FakeServer = { addresses: ['192.0.2.2:3478'] };
const THIRD: FakeServer = { addresses: ['192.0.2.3:3478'] };
const EI = 'endpoint-independent';
const AD = 'address-dependent';
const APD = 'address-and-port-dependent';

function setUp(
  nat: FakeNatOptions,
  servers: readonly FakeServer[],
  options: Partial<NatOptions> = {},
  resolve: NatParts['resolve'] = (host) => Promise.reject(new StunmeshError('ERR_RESOLVE', `${host} is not known`)),
) {
  const clock = createFakeClock();
  const network = createFakeNat(clock, nat, servers);
  const abort = new AbortController();
  const parts = {
    agent: agentOver(clock, network.openSocket),
    resolve,
    clock,
  };
  const go = () =>
    watch(
      discoverNatBehaviour(parts, {
        family: 4,
        listenPort: LISTEN_PORT,
        servers: servers.map(({ addresses }) => addresses[0]),
        ownAddresses: [OWN],
        signal: abort.signal,
        ...options,
      }),
      clock,
    );
  const run = async (): Promise<NatBehaviour> => {
    const outcome = go();
    await clock.advance(15_000);
    assert.equal(network.sockets.open, 0, 'the socket is closed');
    assert.equal(clock.pending, 0, 'no timer is left');
    if (!outcome.value) throw outcome.error;
    return outcome.value;
  };
  return { clock, network, abort, go, run };
}

for (const mapping of ['none', EI, AD, APD] as const) {
  for (const filtering of [EI, AD, APD] as const) {
    for (const [name, servers] of [
      ['one server with two addresses', [PAIR]],
      ['such a server among plain ones', [PLAIN, PAIR, OTHER]],
    ] as const) {
      test(`${mapping} mapping and ${filtering} filtering are found by ${name}, and found again at once`, async () => {
        const { run, network } = setUp({ mapping, filtering }, servers);
        const found = await run();
        assert.deepEqual({ mapping: found.mapping, filtering: found.filtering }, { mapping, filtering });
        assert.ok(network.sent.length <= 20, `${network.sent.length} packets`);
        // The NAT has forgotten nothing: what a first run opened must not change what a second one finds.
        const again = await run();
        assert.equal(again.mapping, mapping);
        if (servers.length > 1 && mapping !== AD) assert.equal(again.filtering, filtering);
        // One server alone has to ask its other address for the mapping: that may cost the difference that connects with the same peers.
        else if (mapping === 'none' || mapping === EI) assert.equal(again.filtering === APD, filtering === APD);
      });
    }
  }
}

test('plain servers tell the mapping, not the filtering, and say so', async () => {
  const cases = [
    ['none', 'none'],
    [EI, EI],
    [APD, APD],
  ] as const;
  for (const [mapping, told] of cases) {
    const found = await setUp({ mapping, filtering: APD }, [PLAIN, OTHER]).run();
    assert.equal(found.mapping, told);
    assert.equal(found.filtering, 'unknown');
    assert.equal(found.how, 'several-servers');
    assert.match(found.reasons.join('\n'), /OTHER-ADDRESS/);
  }
});

test('one plain server tells only whether there is a NAT', async () => {
  assert.equal((await setUp({ mapping: 'none', filtering: EI }, [PLAIN]).run()).mapping, 'none');
  const found = await setUp({ mapping: EI, filtering: APD }, [PLAIN]).run();
  assert.equal(found.mapping, 'unknown');
  assert.equal(found.how, 'single');
  assert.match(found.reasons.join('\n'), /second one/);
});

test('two names of one address are one witness: a mapping by address is not called steady', async () => {
  const again: FakeServer = { addresses: ['192.0.2.1:3500'] };
  const found = await setUp({ mapping: AD, filtering: APD }, [PLAIN, again]).run();
  assert.deepEqual([found.mapping, found.how], ['unknown', 'single']);
});

test('further addresses of a lone name are asked where they are needed, and not where they would spoil the filtering', async () => {
  const resolve = async () => ['198.51.100.1', '198.51.100.2'];
  const servers = ['stun.test:3478'];
  const both = await setUp({ mapping: EI, filtering: EI }, [PAIR], { servers }, resolve).run();
  assert.deepEqual([both.mapping, both.filtering, both.how], [EI, EI, 'rfc5780']);
  const plain: readonly FakeServer[] = [{ addresses: ['198.51.100.1:3478'] }, { addresses: ['198.51.100.2:3478'] }];
  for (const mapping of [EI, APD] as const) {
    const found = await setUp({ mapping, filtering: APD }, plain, { servers }, resolve).run();
    assert.deepEqual([found.mapping, found.how], [mapping, 'several-servers']);
  }
  const half = await setUp({ mapping: EI, filtering: APD }, plain.slice(1), { servers }, resolve).run();
  assert.deepEqual([half.mapping, half.mapped?.port, half.failures.size], ['unknown', LISTEN_PORT, 0]);
});

test('without CHANGE-REQUEST nothing but plain requests leaves, and the mapping is told all the same', async () => {
  const { run, network } = setUp({ mapping: APD, filtering: APD }, [PAIR], { filtering: false });
  const found = await run();
  assert.equal(found.mapping, APD);
  assert.equal(found.filtering, 'unknown');
  assert.deepEqual(network.sent, ['198.51.100.1:3478', '198.51.100.2:3478', '198.51.100.2:3479']);
});

test('a NAT that counts addresses is not called open because its other address was asked before', async () => {
  const both: FakeServer = { addresses: ['198.51.100.2:3478'] };
  const found = await setUp({ mapping: EI, filtering: AD }, [PAIR, { ...both, quirk: 'silent' }]).run();
  assert.equal(found.filtering, AD);
  assert.match(found.reasons.join('\n'), /198\.51\.100\.2/);
  const { run, network } = setUp({ mapping: EI, filtering: AD }, [PAIR], { contacted: ['198.51.100.2'] });
  network.contact('198.51.100.2:51820');
  assert.equal((await run()).filtering, AD);
});

test('a server whose other address is dead, private, or not used proves no filter; the next one is tried', async () => {
  for (const quirk of ['other address silent', 'ignores change', 'private other address'] as const) {
    const bad: FakeServer = { ...PAIR, quirk };
    const alone = await setUp({ mapping: EI, filtering: APD }, [bad, PLAIN]).run();
    assert.equal(alone.filtering, 'unknown', quirk);
    assert.equal(alone.mapping, EI, quirk);
    const good: FakeServer = { addresses: ['198.51.100.8:3478', '198.51.100.9:3478'] };
    assert.equal((await setUp({ mapping: EI, filtering: APD }, [bad, good]).run()).filtering, APD, quirk);
  }
  // Its other port still tells that ports do not count.
  const half: FakeServer = { ...PAIR, quirk: 'other address silent' };
  assert.equal((await setUp({ mapping: EI, filtering: AD }, [half, PLAIN]).run()).filtering, AD);
});

test('F1 one lying server among three is named and not believed; beside one other nothing is told', async () => {
  const liar: FakeServer = { ...OTHER, quirk: 'lies' };
  const found = await setUp({ mapping: EI, filtering: APD }, [liar, PLAIN, THIRD]).run();
  assert.equal(found.mapping, EI);
  assert.deepEqual(found.outliers, ['192.0.2.2:3478']);
  assert.equal(found.portPreserving, true, 'the port that the liar tells is no port of ours');
  assert.equal(found.mapped && formatEndpoint(found.mapped), `203.0.113.7:${LISTEN_PORT}`);
  assert.match(found.reasons.join('\n'), /192\.0\.2\.2:3478 sees 198\.18\.9\.9:999/);
  const two = await setUp({ mapping: EI, filtering: APD }, [liar, PLAIN]).run();
  assert.equal(two.mapping, 'unknown');
  assert.deepEqual(two.outliers, []);
  assert.match(two.reasons.join('\n'), /third server/);
});

test('port preservation and the step between the outer ports of a symmetric NAT', async () => {
  const steady = await setUp({ mapping: EI, filtering: APD }, [PAIR]).run();
  assert.equal(steady.portPreserving, true);
  assert.equal(steady.allocationDelta, undefined);
  const moved = await setUp({ mapping: EI, filtering: APD, nextPort: () => 2000 }, [PAIR]).run();
  assert.equal(moved.portPreserving, false);
  const steps = await setUp({ mapping: APD, filtering: APD, nextPort: (n) => 2000 + 2 * n }, [PAIR]).run();
  assert.equal(steps.allocationDelta, 2);
  assert.deepEqual(steps.allocation, { delta: 2 });
  assert.equal(steps.portPreserving, false);
  const random = await setUp({ mapping: APD, filtering: APD, nextPort: (n) => 2000 + n * n }, [PAIR]).run();
  assert.equal(random.allocationDelta, undefined);
  assert.notEqual(random.allocation, undefined);
});

test('a port that is kept towards some servers alone hints at a neighbour with the same port', async () => {
  const nextPort = (n: number) => (n === 0 ? LISTEN_PORT : 20_000 + 7 * n * n);
  const shared = await setUp({ mapping: APD, filtering: APD, nextPort }, [PLAIN, OTHER]).run();
  assert.match(shared.reasons.join('\n'), /another ListenPort/);
  assert.equal(shared.portPreserving, false);
  for (const mapping of [EI, APD] as const)
    assert.doesNotMatch(
      (await setUp({ mapping, filtering: APD }, [PLAIN, OTHER]).run()).reasons.join('\n'),
      /ListenPort/,
    );
});

test('the carrier is seen by its range, on the way out or as the reflexive address', async () => {
  const cgnat = async (options: Partial<NatOptions>, outside = '203.0.113.7') =>
    (await setUp({ mapping: EI, filtering: APD, outside }, [PLAIN, OTHER], options).run()).cgnat;
  assert.equal(await cgnat({}), false);
  assert.equal(await cgnat({ sourceAddress: '100.64.3.4' }), true);
  assert.equal(await cgnat({ sourceAddress: '100.128.0.1' }), false);
  assert.equal(await cgnat({}, '100.127.255.1'), true);
  // An overlay network's interface may have such an address too, and packets to the servers do not leave by it.
  assert.equal(await cgnat({ ownAddresses: [OWN, '100.64.3.4'], sourceAddress: OWN }), false);
});

test('a double NAT is one whose public address is held further away than by the first router', async () => {
  const at = (hops: number | undefined) =>
    setUp({ mapping: EI, filtering: APD }, [PLAIN, OTHER], { distance: async () => hops }).run();
  assert.equal((await at(undefined)).doubleNat, undefined);
  assert.equal((await at(1)).doubleNat, false);
  const two = await at(2);
  assert.equal(two.doubleNat, true);
  assert.match(two.reasons.join('\n'), /2 hops/);
  const none = await setUp({ mapping: 'none', filtering: EI }, [PLAIN], {
    distance: () => assert.fail('there is no NAT to look for'),
  }).run();
  assert.equal(none.doubleNat, false);
});

test('a capture that sees more than WireGuard does not call a host without NAT open', async () => {
  const found = await setUp({ mapping: 'none', filtering: EI }, [PAIR], { beforeFirewall: true }).run();
  assert.equal(found.filtering, 'unknown');
  assert.match(found.reasons.join('\n'), /firewall/);
});

test('servers that fail are named; with none left nothing is told and nothing is thrown', async () => {
  const found = await setUp({ mapping: EI, filtering: EI }, [{ ...PLAIN, quirk: 'silent' }], {
    servers: ['192.0.2.1:3478', 'stun.invalid:3478', 'no port'],
  }).run();
  assert.equal(found.mapping, 'unknown');
  assert.equal(found.filtering, 'unknown');
  assert.equal(found.portPreserving, undefined);
  assert.deepEqual([...found.failures].map(([server, error]) => [server, error.code]).sort(), [
    ['192.0.2.1:3478', 'ERR_STUN_NO_RESPONSE'],
    ['no port', 'ERR_STUN_ADDRESS'],
    ['stun.invalid:3478', 'ERR_RESOLVE'],
  ]);
});

test('a broken socket and an aborted signal end it at once, with nothing left running', async () => {
  const broken = setUp({ mapping: EI, filtering: APD }, [PAIR]);
  const lost = broken.go();
  await broken.clock.advance(100);
  broken.network.fault();
  await broken.clock.advance(1);
  assert.ok(hasCode(lost.error, 'ERR_CAPTURE_LOST'), String(lost.error));
  assert.deepEqual([broken.clock.pending, broken.network.sockets.open], [0, 0]);
  const stopped = setUp({ mapping: EI, filtering: APD }, [PAIR]);
  const aborted = stopped.go();
  await stopped.clock.advance(100);
  stopped.abort.abort(new Error('enough'));
  await stopped.clock.advance(1);
  assert.match(String(aborted.error), /enough/);
  assert.deepEqual([stopped.clock.pending, stopped.network.sockets.open], [0, 0]);
});

test('F80 a dead name server is told as such, and not as a STUN server that does not answer', async () => {
  const resolve: NatParts['resolve'] = (_host, _family, signal) =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
  const { run } = setUp({ mapping: EI, filtering: EI }, [PAIR], { servers: ['stun.example:3478'] }, resolve);
  const found = await run();
  const failure = found.failures.get('stun.example:3478');
  assert.ok(hasCode(failure, 'ERR_RESOLVE'), String(failure));
  assert.match(failure?.message ?? '', /no name server answered for stun\.example in time/);
});
