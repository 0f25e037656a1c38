/** Interfaces, routes and news of a namespace, beside what ip(8) made there. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import type { NetworkEvent } from '@stunmesh/core/api';
import { createInbox } from '@stunmesh/core/conformance';
import capture from '#src/index.js';
import { cannotRun, inNamespace, run } from './namespace.js';

const options = { skip: cannotRun ?? false, timeout: 120_000 };

if (inNamespace(import.meta.url)) {
  before(() => {
    if (cannotRun) return;
    run('ip link set lo up');
    // The check whether somebody else has a link-local address ends seconds later, and would be news in any test.
    writeFileSync('/proc/sys/net/ipv6/conf/default/accept_dad', '0');
    run('ip link add one type veth peer name two');
    run('ip address add 192.0.2.1/24 dev one');
    run('ip address add 2001:db8::1/64 dev one nodad');
    run('ip address add 10.0.0.1 peer 10.0.0.2 dev two');
    run('ip link set one up');
    run('ip link set two up');
    run('ip link add idle type bridge');
    run('ip address add 172.16.0.1/12 dev idle');
  });

  test('interfaces: names, flags and addresses are exact, also of those that are down', options, async () => {
    const list = await capture.listInterfaces();
    const by = (name: string) => {
      const { index, addresses = [], ...rest } = list.find((i) => i.name === name) ?? {};
      assert.equal(typeof index, 'number');
      return { ...rest, addresses: addresses.filter((a) => !a.address.startsWith('fe80')) };
    };
    assert.deepEqual(by('lo'), {
      name: 'lo',
      up: true,
      loopback: true,
      mtu: 65_536,
      addresses: [
        { family: 4, address: '127.0.0.1', prefixLength: 8 },
        { family: 6, address: '::1', prefixLength: 128 },
      ],
    });
    assert.deepEqual(by('one'), {
      name: 'one',
      up: true,
      loopback: false,
      mtu: 1_500,
      addresses: [
        { family: 4, address: '192.0.2.1', prefixLength: 24 },
        { family: 6, address: '2001:db8::1', prefixLength: 64 },
      ],
    });
    assert.deepEqual(by('two').addresses, [{ family: 4, address: '10.0.0.1', prefixLength: 32 }], 'not the other end');
    assert.deepEqual(by('idle'), {
      name: 'idle',
      up: false,
      loopback: false,
      mtu: 1_500,
      addresses: [{ family: 4, address: '172.16.0.1', prefixLength: 12 }],
    });
  });

  test('a hundred interfaces are listed whole', options, async () => {
    const add = Array.from(
      { length: 100 },
      (_, i) => `link add many${i} type bridge\naddress add 10.9.0.${i}/32 dev many${i}`,
    );
    execFileSync('ip', ['-batch', '-'], { input: add.join('\n') });
    const list = (await capture.listInterfaces()).filter((i) => i.name.startsWith('many'));
    assert.equal(list.length, 100);
    assert.ok(list.every((i) => i.addresses.length === 1));
  });

  test('routes: by destination, mark and device; none is undefined', options, async () => {
    const routeTo = (to: string, more: { firewallMark?: number; device?: string } = {}) =>
      capture.routeTo?.({ to, firewallMark: 0, ...more });
    assert.deepEqual(await routeTo('192.0.2.9'), { interface: 'one', source: '192.0.2.1' });
    assert.deepEqual(await routeTo('2001:db8::9'), { interface: 'one', source: '2001:db8::1' });
    assert.deepEqual(await routeTo('10.0.0.2'), { interface: 'two', source: '10.0.0.1' });
    assert.deepEqual(await routeTo('192.0.2.1'), { interface: 'lo', source: '192.0.2.1' }, 'an address of our own');
    assert.equal(await routeTo('203.0.113.1'), undefined);
    assert.equal(await routeTo('2001:db8:9::1'), undefined);
    assert.equal(await routeTo('192.0.2.9', { device: 'nowhere' }), undefined);
    assert.equal(await routeTo('nonsense'), undefined);
    run('ip route add 203.0.113.0/24 via 192.0.2.2 table 77');
    run('ip rule add fwmark 0xca6c0000 lookup 77');
    assert.deepEqual(await routeTo('203.0.113.1', { firewallMark: 0xca6c0000 }), {
      interface: 'one',
      source: '192.0.2.1',
      gateway: '192.0.2.2',
    });
    assert.equal(await routeTo('203.0.113.1', { firewallMark: 0xca6c0001 }), undefined);
    run('ip rule del fwmark 0xca6c0000');
    assert.deepEqual(await routeTo('10.0.0.2', { device: 'two' }), { interface: 'two', source: '10.0.0.1' });
  });

  test('F27 changed links, addresses, routes and rules are told apart, with their interface', options, async () => {
    const steps: [string, NetworkEvent][] = [
      ['ip link add new type veth peer name newx', { kind: 'link', interface: 'new' }],
      ['ip address add 192.0.2.50/24 dev one', { kind: 'address', interface: 'one' }],
      ['ip address del 192.0.2.50/24 dev one', { kind: 'address', interface: 'one' }],
      ['ip address add 2001:db8::50/64 dev one nodad', { kind: 'address', interface: 'one' }],
      ['ip route add 203.0.113.0/24 via 192.0.2.2', { kind: 'route', interface: 'one' }],
      ['ip route del 203.0.113.0/24', { kind: 'route', interface: 'one' }],
      ['ip route add 2001:db8:5::/48 via 2001:db8::2', { kind: 'route', interface: 'one' }],
      ['ip rule add fwmark 5 lookup 77', { kind: 'route' }],
      ['ip -6 rule add fwmark 5 lookup 77', { kind: 'route' }],
      ['ip link set new up', { kind: 'link', interface: 'new' }],
      ['ip link set new down', { kind: 'link', interface: 'new' }],
      ['ip link delete new', { kind: 'link', interface: 'new' }],
    ];
    for (const [command, want] of steps) {
      const events = createInbox<NetworkEvent>(5000);
      await using _watch = await capture.watchNetwork({
        onChange: (event) => events.push(event),
        onFault: (error) => assert.fail(error),
      });
      run(command);
      for (let i = 0; ; i += 1) {
        const event = await events.at(i, `${command}: ${JSON.stringify(want)} among ${JSON.stringify(events.items)}`);
        if (event.kind === want.kind && event.interface === want.interface) break;
      }
    }
  });

  test(
    'F27 what a link says while it stays as it is (somebody listens to it, it gets a name for people) is no news',
    options,
    async () => {
      const events = createInbox<NetworkEvent>(5000);
      await using _watch = await capture.watchNetwork({
        onChange: (event) => events.push(event),
        onFault: (error) => assert.fail(error),
      });
      for (const change of ['promisc on', 'alias uplink', 'promisc off']) run(`ip link set one ${change}`);
      run('ip link add later type bridge');
      assert.deepEqual(await events.at(0, 'the link that was made after'), { kind: 'link', interface: 'later' });
    },
  );

  test(
    'F27 when more happens than the kernel can keep, the watch says that anything may have changed, and goes on',
    options,
    async () => {
      const events = createInbox<NetworkEvent>(10_000);
      await using _watch = await capture.watchNetwork({
        onChange: (event) => events.push(event),
        onFault: (error) => assert.fail(error),
      });
      const lines = Array.from({ length: 6000 }, (_, i) => `10.${64 + (i >> 8)}.${i & 255}.1/32 dev one`);
      // Synchronously: nobody reads meanwhile.
      execFileSync('ip', ['-batch', '-'], { input: lines.map((line) => `address add ${line}`).join('\n') });
      const unknown = new Set<string>();
      for (let i = 0; unknown.size < 3; i += 1) {
        const event = await events.at(i, 'an event for an overrun');
        if (event.interface === undefined) unknown.add(event.kind);
      }
      assert.deepEqual([...unknown].sort(), ['address', 'link', 'route']);
      run('ip link add last type bridge');
      for (let i = events.items.length; ; i += 1) {
        const event = await events.at(i, 'news after the overrun');
        if (event.interface === 'last') break;
        // It ran over once more.
        if (event.interface === undefined) run(`ip link set last alias again${i}`);
      }
    },
  );
}
