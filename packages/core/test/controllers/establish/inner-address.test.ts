/** Table: to which address inside the tunnel a triggering packet goes (F18). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Peer } from '#src/api/index.js';
import { innerAddresses } from '#src/controllers/establish/inner-address.js';
import { fakePublicKey } from '#src/testing/index.js';

interface Row {
  readonly what: string;
  readonly allowed: readonly string[];
  readonly others?: readonly (readonly string[])[];
  readonly own?: readonly string[];
  readonly ping?: string;
  readonly first: string | undefined;
}

const ROWS: readonly Row[] = [
  { what: 'a /32', allowed: ['10.0.0.2/32'], first: '10.0.0.2' },
  { what: 'a /128', allowed: ['fd00::2/128'], first: 'fd00::2' },
  { what: 'a bare address', allowed: ['10.0.0.2'], first: '10.0.0.2' },
  { what: 'the ping target before all', allowed: ['10.0.0.2/32', '10.1.0.0/24'], ping: '10.1.0.9', first: '10.1.0.9' },
  {
    what: "a ping target that is another peer's",
    allowed: ['10.0.0.0/24'],
    others: [['10.0.0.7/32']],
    ping: '10.0.0.7',
    first: '10.0.0.1',
  },
  { what: 'a ping target outside the allowed IPs', allowed: ['10.0.0.2/32'], ping: '192.168.9.9', first: '10.0.0.2' },
  { what: 'a ping target that is a name', allowed: ['10.0.0.2/32'], ping: 'peer.example', first: '10.0.0.2' },
  { what: 'a /32 before a wider prefix', allowed: ['10.1.0.0/16', '10.0.0.2/32'], first: '10.0.0.2' },
  { what: "an address of the device's subnet", allowed: ['10.0.0.0/8'], own: ['10.7.7.1/24'], first: '10.7.7.2' },
  {
    what: "everything (0.0.0.0/0), the device's subnet",
    allowed: ['0.0.0.0/0'],
    own: ['10.7.7.2/24'],
    first: '10.7.7.1',
  },
  { what: 'never our own address', allowed: ['10.7.7.1/32'], own: ['10.7.7.1/24'], first: undefined },
  { what: 'everything, no address on the device: 0.0.0.0/8 is nobody', allowed: ['0.0.0.0/0'], first: undefined },
  {
    what: "another peer's longer prefix is stepped over",
    allowed: ['10.0.0.0/24'],
    others: [['10.0.0.0/30']],
    first: '10.0.0.4',
  },
  {
    what: 'a prefix that others cover wholly',
    allowed: ['10.0.0.0/24'],
    others: [['10.0.0.0/25', '10.0.0.128/25']],
    first: undefined,
  },
  { what: 'a point-to-point /31', allowed: ['10.0.0.4/31'], own: ['10.0.0.4/31'], first: '10.0.0.5' },
  { what: 'IPv4 before IPv6', allowed: ['fd00::2/128', '10.0.0.2/32'], first: '10.0.0.2' },
  { what: 'an IPv6 net', allowed: ['fd00:1::/64'], first: 'fd00:1::1' },
  { what: 'multicast is nobody', allowed: ['224.0.0.0/4'], first: undefined },
  { what: 'no allowed IPs', allowed: [], first: undefined },
  {
    what: 'what is no prefix is passed over, of the peer, of others and of the device',
    allowed: ['10.0.0.2/33', '10.0.0.0/24'],
    others: [['nowhere', '10.0.0.1/32']],
    own: ['fe80::1%eth0/64', '10.0.0.2/24'],
    first: '10.0.0.3',
  },
];

const peerWith = (name: string, allowedIps: readonly string[]): Peer => ({
  publicKey: fakePublicKey(name),
  allowedIps,
  rxBytes: 0,
  txBytes: 0,
  keepaliveSeconds: 0,
});

for (const row of ROWS) {
  test(`F18 address inside the tunnel: ${row.what}`, () => {
    const peer = peerWith('it', row.allowed);
    const targets = innerAddresses({
      peer,
      peers: new Map(
        [...(row.others ?? []).map((allowed, i) => peerWith(`other ${i}`, allowed)), peer].map((each) => [
          each.publicKey,
          each,
        ]),
      ),
      deviceAddresses: row.own ?? [],
      ...(row.ping === undefined ? {} : { pingTarget: row.ping }),
    });
    assert.equal(targets[0], row.first);
  });
}
