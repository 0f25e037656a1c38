import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatEndpoint, parseEndpoint, parsePrefix } from '#src/net/index.js';
import { type CandidateRules, isLan, remoteCandidates } from '#src/paths/remote-candidates.js';
import type { FurtherCandidates, PathCode } from '#src/record/path-code.js';
import { BARE_CODE } from '../record/coded.js';

const endpoint = (text: string) => parseEndpoint(text) ?? assert.fail(text);
const prefix = (text: string) => parsePrefix(text) ?? assert.fail(text);
const RULES: CandidateRules = {
  links: [prefix('192.168.1.0/24'), prefix('2001:db8:1::/64')],
  lan: true,
  families: new Set([4, 6]),
  refuse: () => undefined,
};
const code = (candidates: FurtherCandidates): PathCode => ({ ...BARE_CODE, t: 1, n: 1, candidates });
const ipv4 = endpoint('203.0.113.11:51820');
const ipv6 = endpoint('[2001:db8:9::1]:51820');
const texts = (candidates: FurtherCandidates, rules: Partial<CandidateRules> = {}) => {
  const found = remoteCandidates({ ipv4, ipv6, c: code(candidates) }, { ...RULES, ...rules });
  return {
    ...found,
    candidates: found.candidates.map(
      ({ endpoint, type, lan }) => `${type} ${formatEndpoint(endpoint)}${lan ? ' lan' : ''}`,
    ),
  };
};

test('F45 a record without c names no candidate, one with c all that it says', () => {
  assert.deepEqual(remoteCandidates({ ipv4, ipv6 }, RULES), { candidates: [], refused: [] });
  const all = texts({
    mappedPort: 40_000,
    lan4: endpoint('192.168.1.7:51820'),
    lan6: endpoint('[2001:db8:1::7]:51820'),
    configured4: endpoint('198.51.100.9:443'),
    configured6: endpoint('[2001:db8:9::2]:443'),
    pinholePort: 50_000,
  });
  assert.deepEqual(all.candidates, [
    'host 192.168.1.7:51820 lan',
    'host [2001:db8:1::7]:51820 lan',
    'reflexive [2001:db8:9::1]:51820',
    'reflexive 203.0.113.11:51820',
    'mapped 203.0.113.11:40000',
    'mapped [2001:db8:9::1]:50000',
    'configured 198.51.100.9:443',
    'configured [2001:db8:9::2]:443',
  ]);
  assert.deepEqual(all.refused, []);
});

test("F47 a peer's private address is tried on a link of ours, or where lan lists it, and nowhere else", () => {
  const far = { lan4: endpoint('10.0.0.9:51820'), configured4: endpoint('10.0.0.10:51820') };
  assert.deepEqual(
    texts(far).candidates.filter((text) => text.includes(' 10.')),
    [],
  );
  const [refused] = texts(far).refused;
  assert.deepEqual([refused?.endpoint, refused?.type], [far.lan4, 'host']);
  assert.match(refused?.why ?? '', /^not on a link of ours/);
  const listed = texts(far, { lan: [prefix('10.0.0.0/8')] });
  assert.deepEqual(listed.candidates.slice(0, 1), ['host 10.0.0.9:51820 lan']);
  assert.ok(listed.candidates.includes('configured 10.0.0.10:51820 lan'));
  const near = { lan4: endpoint('192.168.1.7:51820') };
  assert.equal(texts(near, { lan: [] }).candidates[0], 'host 192.168.1.7:51820 lan', 'links count beside the list');
  assert.ok(!texts(near, { lan: false }).candidates.some((text) => text.includes('192.168.1.7')));
  assert.equal(isLan(near.lan4, { ...RULES, lan: false }), false);
  assert.equal(isLan(endpoint('192.168.2.7:1'), RULES), false);
});

test('F19 endpoints that can be nobody’s, or that the caller refuses, are named and left out; families count', () => {
  const odd = texts(
    { lan4: endpoint('127.0.0.1:51820'), configured4: endpoint('198.51.100.9:443'), mappedPort: 0 },
    { refuse: (e) => (e.address === '198.51.100.9' ? 'reached by the tunnel itself' : undefined) },
  );
  assert.deepEqual(odd.candidates, ['reflexive [2001:db8:9::1]:51820', 'reflexive 203.0.113.11:51820']);
  assert.equal(odd.refused.length, 3);
  assert.deepEqual(texts({}, { families: new Set([6]) }).candidates, ['reflexive [2001:db8:9::1]:51820']);
});

test('F43 forwarded ports, and addresses behind no NAT or one that lets everybody in, are open to what comes first', () => {
  const open = (fields: Partial<PathCode>, further: FurtherCandidates = {}) =>
    remoteCandidates({ ipv4, ipv6, c: { ...code(further), ...fields } }, RULES)
      .candidates.filter((candidate) => candidate.open)
      .map(({ type, endpoint: { family } }) => `${type} ${family}`);
  assert.deepEqual(open({}), []);
  assert.deepEqual(open({ mapping4: 'endpoint-independent', filtering4: 'address-and-port-dependent' }), []);
  assert.deepEqual(open({ mapping4: 'none' }), ['reflexive 4']);
  assert.deepEqual(open({ filtering4: 'endpoint-independent' }), ['reflexive 4']);
  assert.deepEqual(open({ filtering6: 'endpoint-independent' }), ['reflexive 6']);
  const further = { mappedPort: 9, configured6: endpoint('[2001:db8:9::2]:443'), lan4: endpoint('192.168.1.7:1') };
  assert.deepEqual(open({}, further), ['mapped 4', 'configured 6']);
  // The record's own address is the mapped one where the NAT gives each peer another port.
  const same = { mappedPort: ipv4.port, pinholePort: ipv6.port };
  assert.deepEqual(open({ mapping4: 'address-and-port-dependent' }, same), ['mapped 6', 'mapped 4']);
});
