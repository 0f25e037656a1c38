/** Which mark gets past a tunnel. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullTunnel, markTo, type TunnelDevice } from '#src/underlay/full-tunnel.js';

const device = (name: string, firewallMark: number, ...allowedIps: string[]): TunnelDevice => ({
  name,
  firewallMark,
  peers: new Map(allowedIps.map((text, i) => [i, { allowedIps: [text] }])),
});

/** All of IPv4 but the private networks, as some generate it. */
const WITHOUT_PRIVATE =
  '0.0.0.0/5 8.0.0.0/7 11.0.0.0/8 12.0.0.0/6 16.0.0.0/4 32.0.0.0/3 64.0.0.0/2 128.0.0.0/3 160.0.0.0/5 168.0.0.0/6 172.0.0.0/12 172.32.0.0/11 176.0.0.0/4 192.0.0.0/9 193.0.0.0/8 194.0.0.0/7 196.0.0.0/6 200.0.0.0/5 208.0.0.0/4';

test('F5 an address that a full tunnel holds needs its mark, by whatever prefixes it covers everything', () => {
  for (const allowed of [['0.0.0.0/0'], ['0.0.0.0/1', '128.0.0.0/1'], WITHOUT_PRIVATE.split(' ')]) {
    assert.equal(markTo('203.0.113.1', [device('wg0', 51_820, '10.0.0.2/32', ...allowed)]), 51_820, allowed.join(' '));
  }
  for (const allowed of [['::/0'], ['::/1', '8000::/1'], ['2000::/3'], ['2000::/4', '3000::/4']])
    assert.equal(markTo('2001:db8::1', [device('wg0', 7, ...allowed)]), 7, allowed.join(' '));
  const four = device('wg0', 7, '0.0.0.0/0');
  assert.equal(markTo('2001:db8::1', [four]), 0);
});

test('no mark: networks behind a tunnel, a device without one, what no tunnel holds, loopback, what is no address', () => {
  assert.equal(markTo('10.1.2.3', [device('wg0', 7, '10.0.0.0/8', '192.168.0.0/16')]), 0);
  assert.equal(markTo('10.1.2.3', [device('wg0', 7, '0.0.0.0/1')]), 0);
  assert.equal(markTo('203.0.113.1', [device('wg0', 0, '0.0.0.0/0')]), 0);
  assert.equal(markTo('192.168.1.1', [device('wg0', 7, ...WITHOUT_PRIVATE.split(' '))]), 0);
  assert.equal(markTo('127.0.0.53', [device('wg0', 7, '0.0.0.0/0')]), 0);
  assert.equal(markTo('::1', [device('wg0', 7, '::/0')]), 0);
  assert.equal(markTo('redis.example.org', [device('wg0', 7, '0.0.0.0/0')]), 0);
  assert.equal(markTo('203.0.113.1', []), 0);
});

test('with several devices the longest prefix decides, as routes do, and the first of equals', () => {
  const full = device('full', 7, '0.0.0.0/0');
  const office = device('office', 0, '10.0.0.0/8');
  const other = device('other', 9, '0.0.0.0/0');
  assert.equal(markTo('10.1.2.3', [full, office]), 0);
  assert.equal(markTo('203.0.113.1', [office, full]), 7);
  assert.equal(markTo('203.0.113.1', [full, other]), 7);
  assert.equal(markTo('203.0.113.1', [other, full]), 9);
});

test('the mark for other programs is that of the first device that has one and takes over the default way', () => {
  const unmarked = device('unmarked', 0, '0.0.0.0/0');
  const office = device('office', 5, '10.0.0.0/8');
  const full = device('full', 7, '::/0');
  assert.equal(fullTunnel([unmarked, office, full])?.name, 'full');
  assert.equal(fullTunnel([unmarked, office]), undefined);
});

test('F14 a thousand peers with networks of their own are looked through in no time', () => {
  const many = device(
    'wg0',
    7,
    ...Array.from({ length: 1000 }, (_, i) => `10.${i >> 2}.${(i & 3) * 64}.0/18`),
    '0.0.0.0/0',
  );
  assert.equal(markTo('203.0.113.1', [many]), 7);
});
