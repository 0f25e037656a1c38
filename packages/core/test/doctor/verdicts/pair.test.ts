import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeNat, natKind, type PairSide, UNKNOWN_NAT } from '#src/doctor/pair.js';
import { pairVerdict } from '#src/doctor/verdicts/pair.js';
import type { NatSummary } from '#src/nat/behaviour.js';

const EI = 'endpoint-independent';
const AD = 'address-dependent';
const APD = 'address-and-port-dependent';
const nat = (mapping: NatSummary['mapping'], filtering: NatSummary['filtering'], cgnat = false): NatSummary => ({
  mapping,
  filtering,
  cgnat,
});
const NATS = {
  none: nat('none', EI),
  firewall: nat('none', APD),
  full: nat(EI, EI),
  restricted: nat(EI, AD),
  'port-restricted': nat(EI, APD),
  symmetric: nat(APD, APD),
} as const;
type Name = keyof typeof NATS;
const NAMES = Object.keys(NATS) as Name[];

/** The only pairs that do not connect: a symmetric one with who counts ports. */
const APART: readonly string[] = ['symmetric symmetric', 'port-restricted symmetric', 'firewall symmetric'];

for (const [i, a] of NAMES.entries()) {
  for (const b of NAMES.slice(i)) {
    const outcome = APART.includes(`${a} ${b}`) ? 'cannot' : 'connects';
    test(`${a} and ${b}: ${outcome}, from either side, and the remedies fit`, () => {
      for (const [own, peer] of [
        [NATS[a], NATS[b]],
        [NATS[b], NATS[a]],
      ] as const) {
        const verdict = pairVerdict({ ipv4: own }, { ipv4: peer });
        assert.equal(verdict.outcome, outcome, verdict.words);
        assert.equal(verdict.remedies.length > 0, outcome === 'cannot');
        assert.equal(verdict.family, outcome === 'connects' ? 4 : undefined);
      }
    });
  }
}

test('the kinds have the names that users know', () => {
  for (const name of NAMES) assert.equal(natKind(NATS[name]), name);
  assert.equal(natKind(nat(AD, APD)), 'symmetric');
  assert.equal(natKind(nat(EI, 'unknown')), 'cone');
  assert.equal(natKind(nat('none', 'unknown')), 'none');
  assert.equal(natKind(UNKNOWN_NAT), 'unknown');
  assert.match(describeNat(nat(APD, APD, true)), /symmetric.*carrier/);
});

test('what is not known makes no promise, unless every possibility agrees', () => {
  const outcome = (a: NatSummary, b: NatSummary) => pairVerdict({ ipv4: a }, { ipv4: b }).outcome;
  const cone = nat(EI, 'unknown');
  assert.equal(outcome(cone, NATS['port-restricted']), 'connects');
  assert.equal(outcome(cone, cone), 'connects');
  assert.equal(outcome(cone, NATS.symmetric), 'unknown');
  assert.equal(outcome(UNKNOWN_NAT, NATS.full), 'connects');
  assert.equal(outcome(UNKNOWN_NAT, NATS['port-restricted']), 'unknown');
  assert.equal(outcome(UNKNOWN_NAT, UNKNOWN_NAT), 'unknown');
  assert.equal(outcome(nat(APD, 'unknown'), NATS.symmetric), 'unknown');
});

test('IPv6 through stateful firewalls connects where IPv4 does not, and one family in common is needed', () => {
  const six: PairSide = { ipv4: NATS.symmetric, ipv6: NATS.firewall };
  const verdict = pairVerdict(six, six);
  assert.deepEqual([verdict.outcome, verdict.family], ['connects', 6]);
  const apart = pairVerdict({ ipv4: NATS.none }, { ipv6: NATS.none });
  assert.equal(apart.outcome, 'cannot');
  assert.match(apart.remedies.join('\n'), /dualstack/);
});

test('remedies: a port forwarded at the side that counts ports, a kept port at the symmetric one, a search, a port that a router opens, IPv6', () => {
  const context = { ownName: 'berlin', peerName: 'oslo', ownPort: 51820, peerPort: 51821 };
  const [forward, keep, search, ask, six, ...rest] = pairVerdict(
    { ipv4: NATS['port-restricted'] },
    { ipv4: NATS.symmetric },
    context,
  ).remedies;
  assert.match(forward ?? '', /forward UDP port 51820 on the router of berlin/);
  assert.match(keep ?? '', /NAT of oslo keep the port .*static-port/);
  assert.match(search ?? '', /hard_nat: full in both/);
  assert.match(ask ?? '', /router of berlin or of oslo open a port \(port_mapping: auto/);
  assert.match(six ?? '', /IPv6/);
  assert.deepEqual(rest, []);
  const remedies = (a: PairSide, b: PairSide) => pairVerdict(a, b, context).remedies.join('\n');
  // Between two symmetric NATs neither step helps alone.
  assert.match(remedies({ ipv4: NATS.symmetric }, { ipv4: NATS.symmetric }), /berlin keep the port .*, and forward/);
  assert.match(
    remedies({ ipv4: NATS.firewall }, { ipv4: NATS.symmetric }),
    /let UDP port 51820 in at the firewall before berlin/,
  );
  // Who has IPv6 on both sides and still does not connect needs no advice to get it.
  const both = { ipv4: NATS.symmetric, ipv6: NATS.symmetric };
  assert.doesNotMatch(remedies(both, both), /use IPv6/);
});

test('behind the carrier nothing can be forwarded: a public address is asked for instead', () => {
  const carrier = nat(APD, APD, true);
  const remedies = pairVerdict(
    { ipv4: carrier },
    { ipv4: nat(EI, APD, true) },
    { ownName: 'van', peerName: 'boat' },
  ).remedies;
  assert.doesNotMatch(remedies.join('\n'), /forward UDP|keep the port/);
  assert.match(remedies.join('\n'), /carrier of van[\s\S]*carrier of boat/);
});

test('two hosts behind one public address depend on that router, and are told so', () => {
  const verdict = pairVerdict({ ipv4: NATS.full }, { ipv4: NATS.full }, { samePublicAddress: true });
  assert.equal(verdict.outcome, 'unknown');
  assert.match(verdict.words, /hairpinning/);
  assert.match(verdict.remedies.join('\n'), /let both tell their LAN addresses/);
});

test('a way that no NAT stands in connects any pair: the common network, or a port that lets strangers in', () => {
  const apart = [{ ipv4: NATS.symmetric }, { ipv4: NATS.symmetric }] as const;
  const lan = '192.168.1.7:51820';
  const inside = pairVerdict(...apart, { lan, samePublicAddress: true });
  assert.deepEqual([inside.outcome, inside.remedies], ['connects', []]);
  assert.match(inside.words, /^should connect inside the common network: the peer is at 192\.168\.1\.7:51820 there$/);
  assert.equal(pairVerdict(...apart, { lan }).outcome, 'cannot', 'two sites may have the same prefix');
  assert.match(pairVerdict(...apart, { peerOpen: '198.51.100.9:443' }).words, /at 198\.51\.100\.9:443, where the peer/);
  assert.match(
    pairVerdict(...apart, { ownOpen: 'vpn.example.org:443' }).words,
    /vpn\.example\.org:443, where this host/,
  );
  assert.match(pairVerdict({ ipv4: NATS.full }, { ipv4: NATS.full }, { peerOpen: 'x:1' }).words, /by IPv4/);
});

test('F61 what NATs keep apart is searched where a port can be foretold; else the reason stands behind the verdict', () => {
  const apart = [{ ipv4: NATS['port-restricted'] }, { ipv4: NATS.symmetric }] as const;
  const found = pairVerdict(...apart, { search: { possible: true } });
  assert.deepEqual([found.outcome, found.remedies], ['connects', []]);
  assert.match(found.words, /^should connect within minutes, once a search has found the port of the symmetric NAT: /);
  const not = pairVerdict(...apart, { search: { possible: false, why: 'switched off by hard_nat' } });
  assert.equal(not.outcome, 'cannot');
  assert.match(not.words, /symmetric\); switched off by hard_nat$/);
  const easy = pairVerdict({ ipv4: NATS.full }, { ipv4: NATS.symmetric }, { search: { possible: true } });
  assert.match(easy.words, /^should connect by IPv4/);
});
