/** Which of a host's addresses are told to peers on its network, and in what order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Family, NetInterface } from '#src/api/index.js';
import { formatEndpoint } from '#src/net/index.js';
import { type HostAddressRules, hostAddresses } from '#src/paths/host-addresses.js';

function link(name: string, ...texts: string[]): NetInterface {
  const addresses = texts.map((text) => {
    const [address = '', length] = text.split('/');
    const family: Family = address.includes(':') ? 6 : 4;
    return { family, address, prefixLength: Number(length ?? (family === 4 ? 24 : 64)) };
  });
  return { name, index: 2, up: true, loopback: false, addresses };
}

function told(interfaces: readonly NetInterface[], rules: Partial<HostAddressRules> = {}): readonly string[] {
  const whole: HostAddressRules = {
    listenPort: 51_820,
    families: new Set([4, 6]),
    tunnels: new Set(['office']),
    defaultRoutes: new Map([[4, { interface: 'eth0', source: '192.168.1.2' }]]),
    told: new Set(),
    ...rules,
  };
  return hostAddresses(interfaces, whole).map(({ endpoint, interface: name }) => `${formatEndpoint(endpoint)} ${name}`);
}

test('the source of the default route comes first, then its interface, and two of IPv4 are told at most', () => {
  assert.deepEqual(told([link('eth1', '10.0.0.2'), link('eth0', '192.168.7.7', '192.168.1.2')]), [
    '192.168.1.2:51820 eth0',
    '192.168.7.7:51820 eth0',
  ]);
  assert.deepEqual(told([link('eth1', '10.0.0.2'), link('br-lan', '172.16.0.1')]), [
    '10.0.0.2:51820 eth1',
    '172.16.0.1:51820 br-lan',
  ]);
});

test('a second address in the same network takes no place from another link', () => {
  const eth0 = link('eth0', '192.168.1.7', '192.168.1.2');
  assert.deepEqual(told([link('eth1', '10.0.0.2'), eth0]), ['192.168.1.2:51820 eth0', '10.0.0.2:51820 eth1']);
  assert.deepEqual(told([eth0]), ['192.168.1.2:51820 eth0', '192.168.1.7:51820 eth0']);
});

test('networks inside this host, tunnels and links that are down are no way in', () => {
  const names = [
    'docker0',
    'br-0123456789ab',
    'veth12ab',
    'virbr0',
    'wg0',
    'tun0',
    'tailscale0',
    'office',
    'cni0',
    'vxlan.calico',
    'wt0',
  ];
  assert.deepEqual(told(names.map((name) => link(name, '10.1.0.1'))), []);
  assert.deepEqual(told([{ ...link('eth0', '192.168.1.2'), up: false }]), []);
  assert.deepEqual(told([{ ...link('lo', '10.0.0.1'), loopback: true }]), []);
});

test('a name that looks like a tunnel counts where it is the way to the internet, unless it is ours', () => {
  const by = (name: string) => ({ defaultRoutes: new Map([[4 as const, { interface: name, source: '10.64.0.9' }]]) });
  assert.deepEqual(told([link('ppp0', '10.64.0.9/32')], by('ppp0')), ['10.64.0.9:51820 ppp0']);
  assert.deepEqual(told([link('office', '10.64.0.9')], by('office')), []);
});

test('public IPv4 is what STUN sees, and is not told twice; a single address has no link but by the default route', () => {
  assert.deepEqual(told([link('eth0', '203.0.113.9', '100.64.3.4')]), ['100.64.3.4:51820 eth0']);
  assert.deepEqual(told([link('eth1', '10.0.0.2/32')]), []);
  assert.deepEqual(told([link('eth0', '10.128.0.2/32')]), ['10.128.0.2:51820 eth0']);
});

test('one IPv6 address: a local one always, a global one where STUN saw none of ours, never one that needs a zone', () => {
  const eth0 = link('eth0', 'fe80::2', '2001:db8:1::2', 'fd00::2');
  assert.deepEqual(told([eth0], { told: new Set(['2001:db8:1::2']) }), ['[fd00::2]:51820 eth0']);
  assert.deepEqual(told([link('eth0', 'fe80::2', '2001:db8:1::2')]), ['[2001:db8:1::2]:51820 eth0']);
  const two = [link('eth0', '2001:db8:1::2', '2001:db8:1::3')];
  assert.deepEqual(told(two, { told: new Set(['2001:db8:1::2']) }), []);
  assert.deepEqual(told([eth0], { families: new Set([4]) }), []);
});
