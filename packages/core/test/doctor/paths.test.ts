/** The ways to a peer as doctor lists them, with and without a daemon that runs, and what they change in its verdict. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { PeerSnapshot } from '#src/control/snapshot.js';
import type { Finding } from '#src/doctor/finding.js';
import { parseEndpoint } from '#src/net/index.js';
import { fingerprint, formatRecord } from '#src/record/endpoint-record.js';
import type { FurtherCandidates, PortAllocation } from '#src/record/path-code.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { codeOf } from '../record/coded.js';
import { createHarness, type Harness, lonely, MAPPED, now, PEER4, snapshotOf } from './harness.js';

const endpoint = (text: string) => parseEndpoint(text) ?? assert.fail(text);

/** The peer's record with these candidates, at this public address. */
function put(h: Harness, candidates: FurtherCandidates, ipv4 = PEER4, allocation: PortAllocation = 'random'): void {
  const c = codeOf({ t: now, f: fingerprint(h.peer.publicKey), nat: '4pp', allocation, candidates });
  const { plain } = formatRecord({ ...(ipv4 ? { ipv4 } : {}), c });
  const sealed = createChannel(h.peer.secretKey, h.own.publicKey).seal(plain);
  h.store.records.set(storeKey(h.peer.publicKey, h.own.publicKey), sealed);
}

async function peerFindings(t: TestContext, change: (h: Harness) => void): Promise<readonly Finding[]> {
  const h = createHarness(t);
  lonely(h);
  change(h);
  return (await h.examine()).filter(({ check }) => check === 'peer');
}

const pathsOf = (findings: readonly Finding[]) => findings.find(({ text }) => text.startsWith('paths'));

test('without a daemon the addresses of the record are told that would be tried, and why others would not', async (t) => {
  const found = await peerFindings(t, (h) =>
    put(h, { lan4: endpoint('192.168.1.7:51820'), secondLan4: endpoint('10.7.0.5:51820') }),
  );
  const { verdict, text, details } = pathsOf(found) ?? assert.fail('no paths');
  assert.equal(verdict, 'note');
  assert.match(text, /^paths that would be tried: 192\.168\.1\.7:51820 \(LAN\), 203\.0\.113\.77:51820 \(IPv4\)/);
  assert.match(text, /not tried: 10\.7\.0\.5:51820 \(LAN\): not on a link of ours, nor inside a prefix of lan$/);
  assert.deepEqual(details, { tried: 2, refused: 1 });
});

test('a record that names its public addresses alone, or an older one, adds no line', async (t) => {
  assert.equal(pathsOf(await peerFindings(t, (h) => put(h, {}))), undefined);
  const older = await peerFindings(t, (h) => h.put({ ...(PEER4 ? { ipv4: PEER4 } : {}) }));
  assert.equal(pathsOf(older), undefined);
});

test('behind one router the common network connects any NATs; the same prefix at another site promises nothing', async (t) => {
  const lan4 = endpoint('192.168.1.7:51820');
  const near = (await peerFindings(t, (h) => put(h, { lan4 }, endpoint(MAPPED)))).map(({ text }) => text);
  assert.ok(
    near.some((text) => /^should connect inside the common network: site-b is at 192\.168\.1\.7:51820/.test(text)),
    near.join('\n'),
  );
  const far = (await peerFindings(t, (h) => put(h, { lan4 }))).map(({ text }) => text);
  assert.ok(!far.some((text) => text.includes('common network')), far.join('\n'));
});

test('a port that the peer, or this host, advertises connects what NATs keep apart', async (t) => {
  const peerOpen = await peerFindings(t, (h) => put(h, { configured4: endpoint('198.51.100.9:443') }));
  assert.ok(peerOpen.some(({ text }) => /should connect at 198\.51\.100\.9:443, where site-b lets/.test(text)));
  const ownOpen = await peerFindings(t, (h) => {
    h.config = h.config.replace('protocol: ipv4\n', 'protocol: ipv4\n    advertise: ["vpn.example.org:443"]\n');
    put(h, {});
  });
  assert.ok(ownOpen.some(({ text }) => /should connect at vpn\.example\.org:443, where this host lets/.test(text)));
});

const SEEN: Partial<PeerSnapshot> = {
  phase: 'connecting',
  parked: true,
  paths: [
    { endpoint: '192.168.1.7:51820', class: 'lan', state: 'valid', rttMs: 1.2 },
    {
      endpoint: '203.0.113.77:51820',
      class: 'ipv4',
      state: 'failed',
      why: 'your router takes in packets that nobody asked for: …',
    },
    { endpoint: '10.7.0.5:51820', class: 'lan', state: 'refused', why: 'not on a link of ours' },
    { endpoint: '198.51.100.9:443', class: 'configured', state: 'checking' },
  ],
};

test('a daemon that runs tells of each path its state and why not, and what to do about a router that takes in strangers', async (t) => {
  const found = await peerFindings(t, (h) => h.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(h, 1, SEEN)));
  const { verdict, text, remedy, details } = pathsOf(found) ?? assert.fail('no paths');
  assert.equal(verdict, 'warning');
  assert.equal(
    text,
    'paths: 192.168.1.7:51820 (LAN) valid, 1.2 ms; 203.0.113.77:51820 (IPv4) your router takes in packets that nobody asked for: …; 10.7.0.5:51820 (LAN) not tried: not on a link of ours; 198.51.100.9:443 (advertised) being asked; parked until one is valid',
  );
  assert.match(remedy ?? '', /at the router, drop what comes from outside/);
  assert.deepEqual(details, { valid: 1, refused: 1, parked: true });
});

test('of a connected peer the path in use is named', async (t) => {
  const [first] = SEEN.paths ?? [];
  assert.ok(first);
  const { parked: _, ...rest } = SEEN;
  const seen: Partial<PeerSnapshot> = { ...rest, phase: 'connected', path: first };
  const found = await peerFindings(t, (h) => h.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(h, 1, seen)));
  const { verdict, text, details } = pathsOf(found) ?? assert.fail('no paths');
  assert.equal(verdict, 'note');
  assert.match(text, /^paths: 192\.168\.1\.7:51820 \(LAN\) in use, 1\.2 ms;/);
  assert.equal(details?.['path'], 'lan');
});

test('F61 a symmetric NAT that counts is foretold as the daemon searches it, one that throws dice is not', async (t) => {
  const verdict = async (allocation: PortAllocation): Promise<string> => {
    const found = await peerFindings(t, (h) => {
      h.other = '198.51.100.101:3479';
      for (const port of [3478, 3479]) h.servers.set(`198.51.100.101:${port}`, MAPPED);
      put(h, {}, PEER4, allocation);
    });
    return found.map(({ text }) => text).join('\n');
  };
  assert.match(await verdict({ delta: 2 }), /should connect within minutes, once a search has found the port/);
  assert.match(
    await verdict('random'),
    /cannot connect: .*chooses its ports at random; hard_nat: full would search them/,
  );
});
