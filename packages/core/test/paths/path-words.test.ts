/** What a path is called, and why one that was asked does not answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNatCode } from '#src/nat/code.js';
import { parseEndpoint } from '#src/net/index.js';
import type { Path } from '#src/paths/path.js';
import { type PathFacts, pathKind, whyNoAnswer } from '#src/paths/path-words.js';

const endpoint = (text: string) => parseEndpoint(text) ?? assert.fail(text);
const nat = (code: string) => parseNatCode(code).get(4) ?? assert.fail(code);
const AT = endpoint('203.0.113.7:51820');

const failed = (change: Partial<Path> = {}): Path => ({
  endpoint: AT,
  type: 'reflexive',
  lan: false,
  state: 'failed',
  ...change,
});
const facts = (change: Partial<PathFacts> = {}): PathFacts => ({
  own: nat('4ep'),
  peer: nat('4ep'),
  record: { ipv4: AT },
  paths: [],
  ...change,
});

test('a path is called by how its address was found, and by its family where STUN saw it', () => {
  const six = endpoint('[2001:db8::7]:51820');
  const kinds = [
    pathKind({ type: 'reflexive', lan: false, endpoint: AT }),
    pathKind({ type: 'reflexive', lan: false, endpoint: six }),
    pathKind({ type: 'reflexive', lan: true, endpoint: six }),
    pathKind({ type: 'host', lan: false, endpoint: AT }),
    pathKind({ type: 'learnt', lan: false, endpoint: AT }),
    pathKind({ type: 'mapped', lan: false, endpoint: AT }),
    pathKind({ type: 'configured', lan: false, endpoint: AT }),
  ];
  assert.deepEqual(kinds, ['ipv4', 'ipv6', 'lan', 'lan', 'learnt', 'mapped', 'configured']);
});

test('nothing is said of a path that answers, or that nobody has waited for yet', () => {
  for (const state of ['waiting', 'checking', 'valid'] as const)
    assert.equal(whyNoAnswer(failed({ state }), facts()), undefined);
});

const learnt = failed({ type: 'learnt', endpoint: { ...AT, port: 1_953 }, state: 'valid' });

test('the reason is the gravest that both NATs, and what was heard, allow', () => {
  const cases: readonly (readonly [Partial<Path>, Partial<PathFacts>, RegExp])[] = [
    [{}, {}, /stunmesh does not run there, or a firewall/],
    [{ lan: true }, {}, /another host has the address/],
    [{ type: 'configured' }, {}, /not forwarded/],
    [{ type: 'learnt' }, {}, /fallen silent/],
    [{}, { own: { ...nat('4ep'), accepting: true } }, /^your router takes in packets that nobody asked for/],
    [{}, { paths: [learnt] }, /^the router there takes in packets that nobody asked for/],
    [{}, { peer: nat('4pp'), paths: [learnt] }, /^the NAT there gives each destination another port/],
    [{}, { own: nat('4pp') }, /^your NAT gives each destination another port/],
    [{}, { own: nat('4pp'), peer: nat('4pp') }, /^both NATs give each destination another port/],
    [{}, { own: nat('4pp'), peer: nat('4ee') }, /stunmesh does not run there/],
    [{}, { own: undefined, peer: undefined }, /stunmesh does not run there/],
  ];
  for (const [path, change, words] of cases)
    assert.match(whyNoAnswer(failed(path), facts(change)) ?? '', words, `${words}`);
});
