/** What keeps a peer away: its key, its record, ours; and the verdict in words. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePublicKey, StunmeshError } from '#src/api/index.js';
import type { Finding } from '#src/doctor/finding.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { keyPair } from '../controllers/far-side.js';
import { codedPlain } from '../record/coded.js';
import { testCases } from './cases.js';
import {
  createHarness,
  type Harness,
  lonely,
  MAPPED,
  now,
  ownRecord,
  PEER_AT,
  PEER4,
  SERVERS,
  snapshotOf,
  trouble,
} from './harness.js';

const HOUR = 3600;

/** Any plain text as the peer's record. */
function seal({ store, own, peer }: Harness, plain: string): void {
  const sealed = createChannel(peer.secretKey, own.publicKey).seal(plain);
  store.records.set(storeKey(peer.publicKey, own.publicKey), sealed);
}

function daemonSays(p: Harness, code: string, message: string): void {
  p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { lastError: { code, message, at: now * 1000 } }));
}

testCases([
  {
    what: 'a peer without AllowedIPs',
    change: lonely,
    named: ['peer', 'warning', /no AllowedIPs/],
    remedy: /tunnel address/,
  },
  {
    what: 'a peer without keepalive behind a NAT',
    change: lonely,
    named: ['peer', 'note', /no persistent keepalive/],
    remedy: /PersistentKeepalive = 25/,
  },
  {
    what: 'a record without a date',
    change: (p) => p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}) }),
    named: ['peer', 'ok', /opens, names 203\.0\.113\.77:51820, and has no date/],
  },
  {
    what: 'a record that cannot be read for a fault of its store',
    change: (p) => {
      lonely(p);
      p.store.failure = new StunmeshError('ERR_STORE_UNAVAILABLE', 'no network');
    },
    named: ['peer', 'warning', /^its record could not be read: the store "main" failed$/],
    code: 'ERR_STORE_UNAVAILABLE',
  },
  {
    what: 'F72 a tunnel that a daemon calls connected and that works one way only',
    change: (p) => daemonSays(p, 'ERR_TUNNEL_ONE_WAY', '40 pings unanswered though packets arrive: one way only'),
    named: ['peer', 'fault', /^the daemon says: 40 pings unanswered though packets arrive/],
    code: 'ERR_TUNNEL_ONE_WAY',
  },
  {
    what: 'what a daemon holds against a peer that is connected',
    change: (p) => daemonSays(p, 'ERR_RESOLVE', 'the ping target "site-b" does not resolve'),
    named: ['peer', 'warning', /^the daemon says: the ping target "site-b" does not resolve$/],
    remedy: /DNS/,
    code: 'ERR_RESOLVE',
  },
  {
    what: 'a record that names no address',
    change: (p) => {
      lonely(p);
      p.put({ t: now, f: fingerprint(p.peer.publicKey) });
    },
    named: ['peer', 'fault', /^needs the other side: its record in "main" names no address$/],
    remedy: /stunmesh doctor/,
  },
  {
    what: 'F19 a record with one address that nobody can have',
    change: (p) => {
      lonely(p);
      seal(p, codedPlain({ ipv4: PEER_AT, ipv6: '[::1]:51820' }, { t: now, f: fingerprint(p.peer.publicKey) }));
    },
    named: ['peer', 'warning', /names 203\.0\.113\.77:51820, but its ipv6 is a loopback address$/],
    code: 'ERR_RECORD_ENDPOINT',
  },
  {
    what: 'F33 an older plugin, which cannot tell absent from failed,',
    change: (p) => {
      lonely(p);
      p.store.get = () => Promise.reject(new StunmeshError('ERR_EXEC_FAILED', 'exit code 1'));
    },
    named: ['peer', 'fault', /^needs the other side: the plugin of the store "main" found no record of it, or failed/],
    remedy: /start stunmesh there/,
    code: 'ERR_EXEC_FAILED',
  },
  {
    what: 'our own record that the daemon did not publish',
    change: (p) => {
      lonely(p);
      p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting' }));
    },
    named: ['peer', 'warning', /our own record for it is not in the store "main", although a daemon runs/],
    remedy: /stunmesh status/,
  },
  {
    what: 'our own record of a former port',
    change: (p) => {
      lonely(p);
      ownRecord(p, '203.0.113.9:1024');
    },
    named: ['peer', 'warning', /names 203\.0\.113\.9:1024, but we are at 203\.0\.113\.9:51820 now/],
    remedy: /start stunmesh: it publishes/,
  },
  {
    what: 'our own record of a former address',
    change: (p) => {
      lonely(p);
      ownRecord(p, '203.0.113.200:51820');
    },
    named: ['peer', 'warning', /names 203\.0\.113\.200:51820, but we are at 203\.0\.113\.9:51820 now/],
    remedy: /start stunmesh: it publishes/,
  },
  {
    what: 'F17 a peer whose key the device does not know',
    change: (p) => {
      p.wg.removePeer('wg0', p.peer.publicKey);
      p.wg.addPeer('wg0', { publicKey: keyPair('meant').publicKey });
    },
    named: [
      'peer',
      'fault',
      new RegExp(
        `no peer with the public key .*; of its peers ${keyPair('meant').publicKey.replace(/[+/]/g, '\\$&')} is not in the configuration`,
      ),
    ],
    remedy: /Compare its public key with `wg show`/,
    code: 'ERR_WG_PEER_NOT_FOUND',
  },
  {
    what: 'F33 a peer without a record',
    change: (p) => {
      lonely(p);
      p.store.records.clear();
    },
    named: ['peer', 'fault', /^needs the other side: there is no record of it in the store "main"$/],
    remedy: new RegExp(`start stunmesh there.*${keyPair('own').publicKey.replace(/[+/]/g, '\\$&')}`),
  },
  {
    what: 'a peer without a record whose tunnel stands',
    change: (p) => p.store.records.clear(),
    named: ['peer', 'note', /^there is no record of it/],
  },
  {
    what: 'a record that somebody else sealed',
    change: (p) => {
      lonely(p);
      p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now }, keyPair('stranger'));
    },
    named: [
      'peer',
      'fault',
      /needs the other side: its record in "main" is of no use: .* sealed by or for somebody else/,
    ],
    remedy: /each other's present public keys/,
    code: 'ERR_RECORD_UNOPENED',
  },
  {
    what: 'F20 our own record in its place',
    change: (p) => {
      lonely(p);
      p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now, f: fingerprint(p.own.publicKey) });
    },
    named: ['peer', 'fault', /one of our own/],
    remedy: /look who has its credentials/,
    code: 'ERR_RECORD_REFLECTED',
  },
  {
    what: 'F22 a key that anybody can read',
    change: (p) => {
      const weak = parsePublicKey(Buffer.from([1, ...new Array<number>(31).fill(0)]).toString('base64'));
      assert.ok(weak);
      p.config = p.config.replace(p.peer.publicKey, weak);
      p.wg.addPeer('wg0', { publicKey: weak });
    },
    named: ['peer', 'fault', /of low order/],
    remedy: /make a new key pair/,
    code: 'ERR_KEY_WEAK',
  },
  {
    what: 'an old record',
    change: (p) => {
      lonely(p);
      p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now - 72 * HOUR });
    },
    named: [
      'peer',
      'warning',
      /is 3 d old.*it does not run there, or cannot write, or its clock is behind by that much/,
    ],
    remedy: /stunmesh status/,
  },
]);

test('the verdict on a tunnel that is not there: should work, cannot, not foretold, up to the daemon', async (t) => {
  const verdictOf = async (change: (harness: Harness) => void): Promise<Finding> => {
    const harness = createHarness(t);
    lonely(harness);
    change(harness);
    const finding = (await harness.examine()).at(-1);
    assert.equal(finding?.check, 'peer');
    return finding as Finding;
  };
  const told = (p: Harness, nat: string) => p.put({ ...(PEER4 ? { ipv4: PEER4 } : {}), t: now, nat });
  const symmetric = (p: Harness) => {
    SERVERS.forEach((server, i) => {
      p.servers.set(server, `203.0.113.9:${40_000 + i}`);
    });
  };

  const works = await verdictOf((p) => told(p, '4ee'));
  assert.equal(works.verdict, 'note');
  assert.match(works.text, /^should connect by IPv4: .*full cone.*; no handshake yet$/);
  assert.match(works.remedy ?? '', /^start stunmesh here and look again\.$/);

  const cannot = await verdictOf((p) => {
    symmetric(p);
    p.other = '198.51.100.101:3479';
    for (const [i, port] of [3478, 3479].entries())
      p.servers.set(`198.51.100.101:${port}`, `203.0.113.9:${41_000 + i}`);
    told(p, '4pp');
  });
  assert.equal(cannot.verdict, 'fault');
  assert.match(cannot.text, /^cannot connect: .*symmetric.*symmetric/);
  assert.match(cannot.remedy ?? '', /forward UDP port 51820 on the router of this host.*; or .*IPv6/);

  const unknown = await verdictOf(() => {});
  assert.equal(unknown.details?.['outcome'], 'unknown');

  const tried = await verdictOf((p) => {
    told(p, '4ee');
    p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'connecting' }));
    if (PEER4) p.wg.changePeer('wg0', p.peer.publicKey, { endpoint: PEER4, txBytes: 148 });
  });
  assert.equal(tried.verdict, 'warning');
  assert.match(tried.remedy ?? '', /look on site-b/);
  assert.match(tried.text, /148 bytes were sent and none came back$/);

  const blind = await verdictOf((p) => {
    for (const server of SERVERS) p.servers.set(server, undefined);
  });
  assert.match(blind.text, /^nothing can be foretold while no STUN server tells/);

  const idle = await verdictOf((p) => p.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(p, 1, { phase: 'idle' })));
  assert.deepEqual([idle.verdict, idle.text.slice(0, 4)], ['ok', 'idle']);
});

test('what we publish agrees with what the servers see, or changes with every server: nothing to say', async (t) => {
  const harness = createHarness(t);
  lonely(harness);
  ownRecord(harness, MAPPED);
  assert.ok(!trouble(await harness.examine(), true).some((line) => /our own record/.test(line)));
  SERVERS.forEach((server, i) => {
    harness.servers.set(server, `203.0.113.9:${40_000 + i}`);
  });
  assert.ok(!trouble(await harness.examine(), true).some((line) => /our own record/.test(line)));
});

test('a daemon knows better than the handshake whether a peer is connected', async (t) => {
  const harness = createHarness(t);
  harness.daemons.set('/run/stunmesh/wg0.sock', snapshotOf(harness, 1, { phase: 'suspect' }));
  assert.match(
    (await harness.examine()).at(-1)?.text ?? '',
    /^the NATs of both let the two connect before, and it is silent now/,
  );
});

test("F70 a record is judged by WireGuard's own table: a full tunnel in the default one is not in its way", async (t) => {
  const harness = createHarness(t);
  harness.config = harness.config.replace('protocol: ipv4\n', 'protocol: ipv4\n    proxy: { fib: 2 }\n');
  const { address } = PEER4 ?? assert.fail();
  harness.capture.setRoute(address, { interface: 'wg0', source: '10.0.0.1' });
  harness.capture.setRoute(address, { interface: 'eth0', source: '192.168.1.2' }, { fib: 2 });
  const findings = await harness.examine();
  const record = findings.filter(({ check, text }) => check === 'peer' && /its record/.test(text));
  assert.match(record.map(({ text }) => text).join('\n'), /opens, and names 203\.0\.113\.77:51820/);
  assert.doesNotMatch(findings.map(({ text }) => text).join('\n'), /tunnel itself/);
});
