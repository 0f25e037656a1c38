/** What a path is called, and why one that was asked does not answer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNatCode } from '#src/nat/code.js';
import { parseEndpoint } from '#src/net/index.js';
import type { Path } from '#src/paths/path.js';
import { acceptsStrangers, type PathFacts, pathKind, whyNoAnswer } from '#src/paths/path-words.js';

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
  accepting: false,
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
    [{}, { accepting: true }, /^your router takes in packets that nobody asked for/],
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

test('F43 a router accepts strangers where a peer sees another port and STUN goes on seeing the same one', () => {
  const reflexive = endpoint('203.0.113.9:51820');
  const moved = { reflexive, seen: { ...reflexive, port: 1_953 }, at: 1_000 };
  const now = { endpoint: reflexive, at: 31_000 };
  assert.equal(acceptsStrangers(moved, now, nat('4ep')), true);
  assert.equal(acceptsStrangers(moved, { ...now, at: 500 }, nat('4ep')), false, 'STUN was not asked since');
  const all = { ...now, endpoint: { ...reflexive, port: 1_953 } };
  assert.equal(acceptsStrangers(moved, all, nat('4ep')), false, 'the port is another one for all');
  assert.equal(acceptsStrangers(moved, now, nat('4pp')), false, 'its NAT gives each destination another one');
  assert.equal(acceptsStrangers({ ...moved, seen: endpoint('198.51.100.1:1') }, now, nat('4ep')), false);
  assert.equal(acceptsStrangers(undefined, now, nat('4ep')), false);
});
