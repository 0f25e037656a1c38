/** Rules in nf_tables between two namespaces: what nft(8) shows of them, and what becomes of packets. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { after, afterEach, before, test } from 'node:test';
import { type Endpoint, hasCode, isStunmeshError } from '@stunmesh/core/api';
import capture from '#src/index.js';
import type { Native } from '#src/native.js';
import { createPacketFilter } from '#src/nft/packet-filter.js';
import { cannotRun, type FarSide, inNamespace, nft, openFarSide, run } from './namespace.js';

const PORT = 51820;
const FAR_PORT = 3478;
const NEAR = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;
const FAR = {
  4: { family: 4, address: '192.0.2.2', port: FAR_PORT },
  6: { family: 6, address: '2001:db8::2', port: FAR_PORT },
} as const satisfies Record<4 | 6, Endpoint>;
const DEVICE = 'wg0';
const options = { skip: cannotRun ?? false, timeout: 120_000 };
const { muffle, divert, diversions, hushPorts, removeRules } = capture;

if (inNamespace(import.meta.url)) {
  let far: FarSide | undefined;
  /** WireGuard's stand-in, of both families. */
  let wireguard: Socket | undefined;
  const arrived: string[] = [];
  let wake = () => {};

  const theFar = (): FarSide => far ?? assert.fail('no far side');
  const send = (text: string, family: 4 | 6) =>
    wireguard?.send(text, FAR_PORT, family === 4 ? `::ffff:${FAR[4].address}` : FAR[6].address);
  const fromPort = async () => (await theFar().received()).from.port;
  const arrives = async (text: string) => {
    while (!arrived.includes(text))
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  const answer = (text: string, family: 4 | 6, port: number) =>
    theFar().send(FAR[family], Buffer.from(text), { family, address: NEAR[family], port });

  before(async () => {
    if (cannotRun) return;
    far = await openFarSide(
      [
        {
          name: 'wan',
          near: [`${NEAR[4]}/24`, `${NEAR[6]}/64`],
          far: [`${FAR[4].address}/24`, `${FAR[6].address}/64`],
        },
      ],
      FAR_PORT,
    );
    wireguard = createSocket('udp6', (message) => {
      arrived.push(String(message));
      wake();
    });
    wireguard.bind(PORT);
    await once(wireguard, 'listening');
  });
  after(async () => {
    wireguard?.close();
    await far?.[Symbol.asyncDispose]();
  });
  afterEach(() => {
    if (!cannotRun) nft('flush ruleset');
    arrived.length = 0;
  });

  test('F49 rules stand in a table of the device, are found again, and are gone when taken out', options, async () => {
    const one = await divert?.({ device: DEVICE, localPort: PORT, sourcePort: 40_155, remote: FAR[4] });
    await divert?.({ device: DEVICE, localPort: PORT, sourcePort: 40_156, remote: FAR[6] });
    const listed = run('nft list ruleset');
    for (const line of [
      'table inet stunmesh_wg0 {',
      'type filter hook output priority raw - 10; policy accept;',
      'type filter hook prerouting priority mangle; policy accept;',
      'ip daddr 192.0.2.2 udp sport 51820 udp dport 3478 udp sport set 40155 comment "stunmesh divert 51820 40155 192.0.2.2:3478"',
      'ip saddr 192.0.2.2 udp sport 3478 udp dport 40155 udp dport set 51820',
      'ip6 daddr 2001:db8::2 udp sport 51820 udp dport 3478 udp sport set 40156',
      'ip6 saddr 2001:db8::2 udp sport 3478 udp dport 40156 udp dport set 51820',
    ])
      assert.ok(listed.includes(line), `${line} in\n${listed}`);
    const found = (await diversions?.(DEVICE)) ?? [];
    assert.deepEqual(
      found.map(({ localPort, sourcePort, remote }) => [localPort, sourcePort, remote]),
      [
        [PORT, 40_155, FAR[4]],
        [PORT, 40_156, FAR[6]],
      ],
    );
    assert.deepEqual(await diversions?.('wg1'), []);
    await one?.remove();
    await one?.remove();
    assert.deepEqual(
      (await diversions?.(DEVICE))?.map(({ sourcePort }) => sourcePort),
      [40_156],
    );
    const [kept] = (await diversions?.(DEVICE)) ?? [];
    kept?.keep();
    await kept?.[Symbol.asyncDispose]();
    assert.equal((await diversions?.(DEVICE))?.length, 1, 'kept');
    nft('add table inet another');
    await muffle?.({ device: 'wg1', localPort: PORT, remote: FAR[4], ms: 1 });
    assert.deepEqual(await removeRules?.(DEVICE), [DEVICE]);
    assert.deepEqual(await removeRules?.(), ['wg1']);
    assert.deepEqual(await removeRules?.(), []);
    assert.equal(run('nft list tables').trim(), 'table inet another');
  });

  /** What may stand beside the diversion on the host itself. */
  const BESIDE = {
    nothing: '',
    'a stateful firewall': `table inet fw { chain in { type filter hook input priority 0; policy drop;
      ct state established,related accept; iif lo accept; icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }
    }`,
    masquerade: 'table inet nat { chain post { type nat hook postrouting priority 100; oif wan masquerade; }\n}',
  } as const;
  for (const [what, rules] of Object.entries(BESIDE))
    for (const family of [4, 6] as const)
      test(
        `a diversion of IPv${family} leads around, with ${what} beside it and after packets before it`,
        options,
        async () => {
          nft(rules);
          send('before', family);
          assert.equal(await fromPort(), PORT);
          {
            await using _diversion = await divert?.({
              device: DEVICE,
              localPort: PORT,
              sourcePort: 40_155,
              remote: FAR[family],
            });
            for (let i = 0; i < 3; i += 1) {
              send(`out ${i}`, family);
              assert.equal(await fromPort(), 40_155);
              await answer(`back ${i}`, family, 40_155);
              await arrives(`back ${i}`);
            }
            // Another port for the same peer takes the place of the first.
            await using second = await divert?.({
              device: DEVICE,
              localPort: PORT,
              sourcePort: 40_200,
              remote: FAR[family],
            });
            send('second', family);
            assert.equal(await fromPort(), 40_200);
            assert.equal((await diversions?.(DEVICE))?.length, 1);
            assert.ok(second);
          }
          send('after', family);
          assert.equal(await fromPort(), PORT);
        },
      );

  test('a muffled endpoint is not heard until its time is over; others are', options, async () => {
    await theFar().listen('192.0.2.77');
    for (const family of [4, 6] as const) {
      await muffle?.({ device: DEVICE, localPort: PORT, remote: FAR[family], ms: 1000 });
      await answer('muffled', family, PORT);
    }
    const other = { family: 4, address: '192.0.2.77', port: FAR_PORT } as const;
    await theFar().send(other, Buffer.from('other'), { family: 4, address: NEAR[4], port: PORT });
    await arrives('other');
    assert.deepEqual(arrived, ['other']);
    assert.match(run('nft list set inet stunmesh_wg0 muffled4'), /192\.0\.2\.2 \. 3478 \. 51820 timeout 1s expires/);
    while (run('nft list set inet stunmesh_wg0 muffled4').includes('elements'));
    while (run('nft list set inet stunmesh_wg0 muffled6').includes('elements'));
    for (const family of [4, 6] as const) {
      await answer(`heard ${family}`, family, PORT);
      await arrives(`heard ${family}`);
    }
    await assert.rejects(
      muffle?.({ device: DEVICE, localPort: PORT, remote: FAR[4], ms: 1001 }) ?? Promise.resolve(),
      (error) => hasCode(error, 'ERR_CAPTURE_FILTER'),
    );
  });

  test('ports that are hushed send no "port unreachable"', options, async () => {
    nft(`table inet witness { chain out { type filter hook output priority 0;
      icmp type destination-unreachable counter comment "four"; icmpv6 type destination-unreachable counter comment "six"; }
    }`);
    const told = (family: 'four' | 'six') =>
      Number(new RegExp(`packets (\\d+) bytes \\d+ comment "${family}"`).exec(run('nft list table inet witness'))?.[1]);
    await hushPorts?.({ device: DEVICE, ports: [40_000, 40_001], ms: 60_000 });
    for (const family of [4, 6] as const) {
      await answer('hushed', family, 40_000);
      await answer('told', family, 40_002);
    }
    await answer('last', 6, PORT);
    await arrives('last');
    assert.deepEqual([told('four'), told('six')], [1, 1]);
  });

  test('a kernel without nf_tables, and one that refuses, are named', async () => {
    const refusing = (code: string, errno: number) => {
      const native = {
        constants: {},
        open() {
          throw Object.assign(new Error(`socket: ${code}`), { code, errno: -errno, syscall: 'socket' });
        },
      } as unknown as Native;
      return createPacketFilter(() => native).muffle({ device: DEVICE, localPort: PORT, remote: FAR[4], ms: 1 });
    };
    await assert.rejects(refusing('EPROTONOSUPPORT', 93), (error) => {
      assert.ok(hasCode(error, 'ERR_CAPTURE_FILTER'));
      return isStunmeshError(error) && /no nf_tables.*load the module nf_tables/.test(error.message);
    });
    await assert.rejects(refusing('EPERM', 1), (error) => hasCode(error, 'ERR_CAPTURE_PERMISSION'));
  });
}
