/** Echo sockets on real devices: bound to one, alive while it goes down and up, lost with it. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { type EchoSocket, type Family, hasCode, type StunmeshError } from '@stunmesh/core/api';
import { createInbox, type Inbox } from '@stunmesh/core/conformance';
import { encodeEcho, parseEcho } from '@stunmesh/core/net';
import capture from '#src/index.js';
import { cannotRun, type FarSide, inNamespace, nft, openFarSide, run } from './namespace.js';

const options = { skip: cannotRun ?? false, timeout: 120_000 };
/** Reachable by both links; the main table's best route says wan. */
const ANYWHERE = { 4: '203.0.113.1', 6: '2001:db8:99::1' } as const;
const NEIGHBOUR = { 4: '192.0.2.2', 6: '2001:db8:1::2' } as const;
const families: readonly Family[] = [4, 6];

interface Echo extends AsyncDisposable {
  readonly socket: EchoSocket;
  readonly replies: Inbox<{ sequence: number; from: string }>;
  readonly faults: Inbox<StunmeshError>;
  ping(to: string, sequence: number, ttl?: number): Promise<void>;
}

if (inNamespace(import.meta.url)) {
  let far: FarSide;

  const routes = () => {
    for (const [metric, device, four, six] of [
      [10, 'wan', '192.0.2.2', '2001:db8:1::2'],
      [20, 'alt', '198.51.100.2', '2001:db8:2::2'],
    ]) {
      run(`ip route replace default via ${four} dev ${device} metric ${metric}`);
      run(`ip route replace default via ${six} dev ${device} metric ${metric}`);
    }
  };

  before(async () => {
    if (cannotRun) return;
    far = await openFarSide(
      [
        { name: 'wan', near: ['192.0.2.1/24', '2001:db8:1::1/64'], far: ['192.0.2.2/24', '2001:db8:1::2/64'] },
        { name: 'alt', near: ['198.51.100.1/24', '2001:db8:2::1/64'], far: ['198.51.100.2/24', '2001:db8:2::2/64'] },
      ],
      3478,
    );
    for (const family of families) await far.listen(ANYWHERE[family]);
    routes();
  });
  after(async () => {
    await far?.[Symbol.asyncDispose]();
  });
  afterEach(() => {
    if (!cannotRun) nft('flush ruleset');
  });

  const open = async (family: Family, device: string, dontFragment = false): Promise<Echo> => {
    const replies = createInbox<{ sequence: number; from: string }>(5000);
    const faults = createInbox<StunmeshError>(5000);
    const socket = await capture.openEchoSocket({
      family,
      device,
      dontFragment,
      onPacket(icmp, from) {
        const echo = parseEcho(family, icmp);
        assert.equal(echo?.kind, 'reply', 'only replies are heard');
        replies.push({ sequence: echo.sequence, from });
      },
      onFault: (error) => faults.push(error),
    });
    return {
      socket,
      replies,
      faults,
      ping: (to, sequence, ttl) =>
        socket.send(
          encodeEcho(family, { kind: 'request', id: 0x1234, sequence, payload: Uint8Array.of(1, 2, 3) }),
          to,
          ttl === undefined ? {} : { ttl },
        ),
      [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
    };
  };

  for (const family of families) {
    test(`F30 an IPv${family} echo leaves and returns by its device alone`, options, async () => {
      await using byWan = await open(family, 'wan');
      await using byAlt = await open(family, 'alt');
      nft(
        'table inet t { chain out { type filter hook output priority 0; oifname wan meta l4proto { icmp, ipv6-icmp } drop; }; }',
      );
      // Neighbour discovery is ICMPv6 as well: alt's must not hang on wan's rule.
      await byAlt.ping(ANYWHERE[family], 1);
      assert.deepEqual(await byAlt.replies.at(0, 'a reply by alt'), { sequence: 1, from: ANYWHERE[family] });
      await assert.rejects(byWan.ping(ANYWHERE[family], 2), (error) => hasCode(error, 'ERR_CAPTURE_BLOCKED'));
      nft('flush ruleset');
      await byWan.ping(ANYWHERE[family], 3);
      await byWan.replies.at(0, 'a reply by wan');
      assert.deepEqual(byWan.replies.items, [{ sequence: 3, from: ANYWHERE[family] }]);
      await byAlt.ping(ANYWHERE[family], 4);
      await byAlt.replies.at(1, 'a second reply by alt');
      assert.equal(byAlt.replies.items.length, 2);
    });

    test(
      `an IPv${family} echo that must leave whole is refused where it is larger than its device takes`,
      options,
      async () => {
        const listed = (await capture.listInterfaces()).find(({ name }) => name === 'wan');
        assert.equal(listed?.mtu, 1500);
        const header = family === 4 ? 28 : 48;
        const echo = (bytes: number) =>
          encodeEcho(family, { kind: 'request', id: 0x1234, sequence: bytes, payload: new Uint8Array(bytes - header) });
        await using whole = await open(family, 'wan', true);
        await using cut = await open(family, 'wan');
        await assert.rejects(whole.socket.send(echo(1501), NEIGHBOUR[family]), (error) => {
          assert.ok(hasCode(error, 'ERR_CAPTURE_SEND'));
          assert.equal((error as StunmeshError).details['code'], 'EMSGSIZE');
          return true;
        });
        await whole.socket.send(echo(1500), NEIGHBOUR[family]);
        assert.equal((await whole.replies.at(0, 'a reply of full size')).sequence, 1500);
        await cut.socket.send(echo(1501), NEIGHBOUR[family]);
        await cut.replies.at(1, 'a reply in two pieces');
      },
    );

    test(`a TTL holds for one IPv${family} echo, and the next has the system's again`, options, async () => {
      await using echo = await open(family, 'wan');
      await echo.ping(NEIGHBOUR[family], 1, 1);
      await echo.replies.at(0, 'a neighbour is within one hop');
      const hops = family === 4 ? 'ip ttl' : 'ip6 hoplimit';
      nft(`table inet t { chain out { type filter hook output priority 0; ${hops} { 1, 7 } drop; }; }`);
      await echo.ping(NEIGHBOUR[family], 2, 8);
      for (const ttl of [1, 7])
        await assert.rejects(echo.ping(NEIGHBOUR[family], 3, ttl), (error) => hasCode(error, 'ERR_CAPTURE_BLOCKED'));
      await echo.ping(NEIGHBOUR[family], 4);
      assert.equal((await echo.replies.at(1, 'with TTL 8')).sequence, 2);
      assert.equal((await echo.replies.at(2, 'without a TTL')).sequence, 4);
      await assert.rejects(echo.ping(NEIGHBOUR[family], 5, 0), (error) => hasCode(error, 'ERR_CAPTURE_SEND'));
    });

    test(
      `an IPv${family} echo socket hears no requests, and outlives its device's going down and up`,
      options,
      async () => {
        await using echo = await open(family, 'wan');
        await far.run(`ping -q -c2 -i0.01 -W2 ${family === 4 ? '192.0.2.1' : '2001:db8:1::1'}`);
        run('ip link set wan down');
        await assert.rejects(echo.ping(NEIGHBOUR[family], 1), (error) => hasCode(error, 'ERR_CAPTURE_UNREACHABLE'));
        run('ip link set wan up');
        run('ip address add 2001:db8:1::1/64 dev wan nodad');
        routes();
        await echo.ping(NEIGHBOUR[family], 2);
        assert.equal((await echo.replies.at(0, 'a reply after the link came back')).sequence, 2);
        assert.equal(echo.faults.items.length, 0);
      },
    );

    test(
      `an IPv${family} echo socket is lost with its device, and opens again on a new one of that name`,
      options,
      async () => {
        run('ip link add tun9 type veth peer name tun9x');
        const echo = await open(family, 'tun9');
        await using other = await open(family, 'wan');
        run('ip link delete tun9');
        run('ip link add tun9 type veth peer name tun9x');
        try {
          const fault = await echo.faults.at(0, 'a fault');
          assert.ok(hasCode(fault, 'ERR_CAPTURE_LOST'));
          assert.match(fault.message, /tun9/);
          await assert.rejects(echo.ping(NEIGHBOUR[family], 1), (error) => hasCode(error, 'ERR_CLOSED'));
          await echo[Symbol.asyncDispose]();
          await using again = await open(family, 'tun9');
          assert.equal(again.faults.items.length, 0);
          await other.ping(NEIGHBOUR[family], 2);
          await other.replies.at(0, 'a reply on another device');
          assert.equal(other.faults.items.length, 0);
        } finally {
          run('ip link delete tun9');
        }
      },
    );
  }

  test('a device that leaves a bridge is not gone', options, async () => {
    run('ip link add tun8 type veth peer name tun8x');
    run('ip link add tun7 type veth peer name tun7x');
    run('ip link add bridge8 type bridge');
    try {
      await using echo = await open(4, 'tun8');
      await using gone = await open(4, 'tun7');
      run('ip link set tun8 master bridge8');
      run('ip link set tun8 nomaster');
      // News come in order: once this one is there, the bridge's has been read.
      run('ip link delete tun7');
      await gone.faults.at(0, 'the fault of another device');
      assert.equal(echo.faults.items.length, 0);
    } finally {
      run('ip link delete tun8');
      run('ip link delete bridge8');
    }
  });

  test('the watch over devices is closed with the last echo socket', options, async () => {
    const count = () => [readdirSync('/proc/self/fd').length, readdirSync('/proc/self/task').length];
    const before = count();
    const [a, b] = [await open(4, 'wan'), await open(6, 'alt')];
    assert.equal(count()[1], (before[1] ?? 0) + 3, 'a thread for each socket, and one for the watch');
    await a[Symbol.asyncDispose]();
    await b[Symbol.asyncDispose]();
    // A thread that was joined stays in /proc for a moment.
    for (let i = 0; i < 1000 && count()[1] !== before[1]; i += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(count(), before);
  });
}
