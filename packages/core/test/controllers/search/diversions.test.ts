import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, StunmeshError } from '#src/api/index.js';
import { createDiversions } from '#src/controllers/search/diversions.js';
import { createComponents } from '../doubles.js';

const REMOTE: Endpoint = { family: 4, address: '203.0.113.12', port: 51_820 };
const ELSEWHERE: Endpoint = { family: 4, address: '198.51.100.9', port: 40_000 };
const MINUTE = 60_000;

function setUp() {
  const doubles = createComponents();
  const { diverted } = doubles.capture.rules;
  return { ...doubles, diverted, diversions: createDiversions(doubles.c) };
}

test('F49 a diversion is in force until the peer has been connected by another path for ten minutes', async () => {
  const { diversions, diverted, peer, clock } = setUp();
  assert.equal(await diversions.divert(peer, 40_155, REMOTE), true);
  assert.deepEqual(diverted, [{ device: 'wg0', localPort: 51_820, sourcePort: 40_155, remote: REMOTE }]);
  assert.deepEqual(peer.diversion, { port: 40_155, remote: REMOTE });

  const connectedBy = async (endpoint: Endpoint, minutes: number) => {
    peer.phase = 'connected';
    if (peer.observed) peer.observed = { ...peer.observed, endpoint };
    for (let at = 0; at <= minutes; at += 1) {
      await diversions.tick();
      await clock.advance(MINUTE);
    }
  };
  await connectedBy(REMOTE, 30);
  await connectedBy(ELSEWHERE, 8);
  await connectedBy(REMOTE, 1);
  await connectedBy(ELSEWHERE, 8);
  assert.equal(diverted.length, 1, 'in use until now, or nearly');
  await connectedBy(ELSEWHERE, 3);
  assert.equal(diverted.length, 0);
  assert.equal(peer.diversion, undefined);
});

test('F49 what an earlier process left is taken over where the state names it, and taken out where nothing does', async () => {
  const { diversions, diverted, peer } = setUp();
  const known = { device: 'wg0', localPort: 51_820, sourcePort: 40_155, remote: REMOTE };
  diverted.push(known, { ...known, sourcePort: 40_156, remote: ELSEWHERE }, { ...known, device: 'wg1' });
  peer.diversion = { port: 40_155, remote: REMOTE };
  await diversions.tick();
  assert.deepEqual(diverted, [known, { ...known, device: 'wg1' }]);
  assert.deepEqual(peer.diversion, { port: 40_155, remote: REMOTE });
});

test('F49 rules that somebody took out are not remembered', async () => {
  const { diversions, peer } = setUp();
  peer.diversion = { port: 40_155, remote: REMOTE };
  await diversions.tick();
  assert.equal(peer.diversion, undefined);
});

test('F49 it follows the listen port, and goes with its peer', async () => {
  const { diversions, diverted, device, peer } = setUp();
  await diversions.divert(peer, 40_155, REMOTE);
  if (device.facts) device.facts = { ...device.facts, listenPort: 51_999 };
  await diversions.tick();
  assert.deepEqual(diverted, [{ device: 'wg0', localPort: 51_999, sourcePort: 40_155, remote: REMOTE }]);
  device.peers = [];
  await diversions.tick();
  assert.deepEqual(diverted, []);
});

test('another port of the peer replaces the diversion, and the former one goes', async () => {
  const { diversions, diverted, peer } = setUp();
  await diversions.divert(peer, 40_155, REMOTE);
  await diversions.divert(peer, 40_200, { ...REMOTE, port: 51_821 });
  assert.deepEqual(
    diverted.map(({ sourcePort, remote }) => [sourcePort, remote.port]),
    [[40_200, 51_821]],
  );
});

test('a packet filter that refuses costs a line and nothing else', async () => {
  const { diversions, capture, peer, logger } = setUp();
  capture.fail('filter', new StunmeshError('ERR_CAPTURE_FILTER', 'no nf_tables here'));
  assert.equal(await diversions.divert(peer, 40_155, REMOTE), false);
  assert.equal(peer.diversion, undefined);
  assert.match(logger.text(), /cannot be diverted/);
});
