/** Cases that every WireGuardControl passes: by wg(8), by the userspace socket, and the double. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  type Endpoint,
  hasCode,
  type Peer,
  type PublicKey,
  parsePublicKey,
  SecretKey,
  type WireGuardControl,
} from '../api/index.js';
import { formatEndpoint } from '../net/endpoint.js';
import type { ConformanceCase } from './case.js';

export interface ConformancePeer {
  readonly publicKey: PublicKey;
  readonly allowedIps: readonly string[];
  readonly keepaliveSeconds: number;
  readonly presharedKey?: SecretKey;
}

/** A control and one device that it controls; the cases add their own peers and change nothing else. */
export interface WireGuardSubject {
  readonly control: WireGuardControl;
  readonly device: string;
  /** What the device was made with. */
  readonly facts: {
    readonly publicKey: PublicKey;
    readonly secretKey: SecretKey;
    readonly listenPort: number;
    readonly firewallMark: number;
  };
  /** Adds peers by other means than the control. */
  addPeers(peers: readonly ConformancePeer[]): Promise<void>;
  /** What the device says by other means than the control; absent: it does not tell. */
  presharedKey?(peer: PublicKey): Promise<SecretKey | undefined>;
  /** Sends a packet into the tunnel to this address, so that WireGuard wants a session; absent: there is no tunnel. */
  kick?(address: string): Promise<void>;
}

export interface WireGuardHarness {
  /** Opens a subject, or says why this cannot be done here; disposing it is the harness's own affair. */
  setup(): Promise<WireGuardSubject | { readonly skipped: string }>;
}

/** How long a counter is read before a case gives up; less than the 5 s between two handshakes. */
const PATIENCE_MS = 4_000;

const four = (address: string, port: number): Endpoint => ({ family: 4, address, port });
const six = (address: string, port: number): Endpoint => ({ family: 6, address, port });

function randomKey(): PublicKey {
  const key = parsePublicKey(randomBytes(32).toString('base64'));
  assert.ok(key);
  return key;
}

let made = 0;
/** A peer with allowed IPs that no other one has: 10.x.y.1 and fd00::x:y. */
function createPeer(more: Partial<ConformancePeer> = {}): ConformancePeer {
  made += 1;
  const [x, y] = [made >> 8, made & 0xff];
  const allowedIps = [`10.${x}.${y}.1/32`, `fd00:${x.toString(16)}:${(y + 1).toString(16)}::1/128`];
  return { publicKey: randomKey(), allowedIps, keepaliveSeconds: 0, ...more };
}

export function wireGuardCases(harness: WireGuardHarness): readonly ConformanceCase[] {
  const options = { signal: new AbortController().signal };
  const test = (name: string, body: (subject: WireGuardSubject) => Promise<undefined | { skipped: string }>) => ({
    name,
    async run() {
      const subject = await harness.setup();
      return 'skipped' in subject ? subject : body(subject);
    },
  });
  const peerOf = async ({ control, device }: WireGuardSubject, key: PublicKey): Promise<Peer> => {
    const peer = (await control.device(device, options)).peers.get(key);
    assert.ok(peer, 'the peer is there');
    return peer;
  };
  const endpointOf = async (subject: WireGuardSubject, key: PublicKey) => {
    const { endpoint } = await peerOf(subject, key);
    return endpoint && formatEndpoint(endpoint);
  };

  return [
    test('devices() lists the device', async ({ control, device }) => {
      assert.ok((await control.devices(options)).includes(device));
      return undefined;
    }),

    test('device() tells name, keys, listen port and firewall mark', async ({ control, device, facts }) => {
      const seen = await control.device(device, options);
      assert.equal(seen.name, device);
      assert.equal(seen.realName, device);
      assert.equal(seen.publicKey, facts.publicKey);
      assert.ok(seen.secretKey.equals(facts.secretKey));
      assert.equal(seen.listenPort, facts.listenPort);
      assert.equal(seen.firewallMark, facts.firewallMark);
      return undefined;
    }),

    test('device() tells what a peer has; a handshake that never was is absent', async (subject) => {
      const wanted = createPeer({ keepaliveSeconds: 25, presharedKey: new SecretKey(randomBytes(32)) });
      const bare = createPeer({ allowedIps: [] });
      await subject.addPeers([wanted, bare]);
      const seen = await peerOf(subject, wanted.publicKey);
      assert.equal(seen.publicKey, wanted.publicKey);
      assert.deepEqual(new Set(seen.allowedIps), new Set(wanted.allowedIps));
      assert.equal(seen.keepaliveSeconds, 25);
      assert.equal('endpoint' in seen, false);
      assert.equal('latestHandshakeAt' in seen, false);
      assert.equal(seen.rxBytes, 0);
      assert.deepEqual((await peerOf(subject, bare.publicKey)).allowedIps, []);
      return undefined;
    }),

    test('a reading does not change afterwards', async (subject) => {
      const peer = createPeer();
      await subject.addPeers([peer]);
      const before = await subject.control.device(subject.device, options);
      await subject.control.setPeerEndpoints(
        subject.device,
        new Map([[peer.publicKey, four('192.0.2.1', 1)]]),
        options,
      );
      assert.equal(before.peers.get(peer.publicKey)?.endpoint, undefined);
      return undefined;
    }),

    test('an absent device is ERR_WG_DEVICE_NOT_FOUND from every verb', async ({ control }) => {
      const absent = `x${randomBytes(4).toString('hex')}`;
      const key = randomKey();
      const missing = (error: unknown) => hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND');
      await assert.rejects(control.device(absent, options), missing);
      const endpoints = new Map([[key, four('192.0.2.1', 1)]]);
      await assert.rejects(control.setPeerEndpoints(absent, endpoints, options), missing);
      await assert.rejects(control.renewPeer(absent, key, four('192.0.2.1', 1), options), missing);
      await assert.rejects(control.setPeerKeepalive(absent, key, 5, options), missing);
      return undefined;
    }),

    test('an absent peer is never created (F17)', async ({ control, device }) => {
      const before = (await control.device(device, options)).peers.size;
      const key = randomKey();
      const missing = (error: unknown) => hasCode(error, 'ERR_WG_PEER_NOT_FOUND');
      const set = await control.setPeerEndpoints(device, new Map([[key, four('192.0.2.1', 1)]]), options);
      assert.equal(set.size, 0);
      await assert.rejects(control.renewPeer(device, key, four('192.0.2.1', 1), options), missing);
      await assert.rejects(control.setPeerKeepalive(device, key, 5, options), missing);
      const after = await control.device(device, options);
      assert.equal(after.peers.has(key), false);
      assert.equal(after.peers.size, before);
      return undefined;
    }),

    test('setPeerEndpoints() sets IPv4 and IPv6 and says which peers it set', async (subject) => {
      const [a, b] = [createPeer({ keepaliveSeconds: 0 }), createPeer({ keepaliveSeconds: 9 })];
      const stranger = randomKey();
      await subject.addPeers([a, b]);
      const set = await subject.control.setPeerEndpoints(
        subject.device,
        new Map([
          [a.publicKey, four('192.0.2.7', 65535)],
          [stranger, four('192.0.2.8', 1)],
          [b.publicKey, six('2001:db8::7', 1)],
        ]),
        options,
      );
      assert.deepEqual([...set].sort(), [a.publicKey, b.publicKey].sort());
      assert.equal(await endpointOf(subject, a.publicKey), '192.0.2.7:65535');
      assert.equal(await endpointOf(subject, b.publicKey), '[2001:db8::7]:1');
      const after = await peerOf(subject, b.publicKey);
      assert.deepEqual(new Set(after.allowedIps), new Set(b.allowedIps));
      assert.equal(after.keepaliveSeconds, 9);
      return undefined;
    }),

    test('setPeerEndpoints() takes a link-local endpoint with its zone', async (subject) => {
      const peer = createPeer();
      await subject.addPeers([peer]);
      const endpoint: Endpoint = { ...six('fe80::1', 7), zone: 'lo' };
      await subject.control.setPeerEndpoints(subject.device, new Map([[peer.publicKey, endpoint]]), options);
      // Userspace implementations keep the zone and do not show it.
      assert.ok(['[fe80::1]:7', '[fe80::1%lo]:7'].includes((await endpointOf(subject, peer.publicKey)) ?? ''));
      return undefined;
    }),

    test('setPeerEndpoints() of nothing writes nothing', async ({ control, device }) => {
      assert.equal((await control.setPeerEndpoints(device, new Map(), options)).size, 0);
      return undefined;
    }),

    test('setPeerEndpoints() sets 200 peers in one call', async (subject) => {
      const peers = Array.from({ length: 200 }, () => createPeer());
      await subject.addPeers(peers);
      const wanted = new Map(peers.map((peer, i) => [peer.publicKey, four('192.0.2.9', 1000 + i)]));
      assert.equal((await subject.control.setPeerEndpoints(subject.device, wanted, options)).size, 200);
      const seen = (await subject.control.device(subject.device, options)).peers;
      for (const [key, endpoint] of wanted) assert.deepEqual(seen.get(key)?.endpoint, endpoint);
      return undefined;
    }),

    test('setPeerKeepalive() sets seconds and off, and nothing else', async (subject) => {
      const peer = createPeer({ keepaliveSeconds: 25 });
      await subject.addPeers([peer]);
      await subject.control.setPeerKeepalive(subject.device, peer.publicKey, 0, options);
      assert.equal((await peerOf(subject, peer.publicKey)).keepaliveSeconds, 0);
      await subject.control.setPeerKeepalive(subject.device, peer.publicKey, 65535, options);
      const after = await peerOf(subject, peer.publicKey);
      assert.equal(after.keepaliveSeconds, 65535);
      assert.deepEqual(new Set(after.allowedIps), new Set(peer.allowedIps));
      return undefined;
    }),

    test('renewPeer() keeps allowed IPs, keepalive and preshared key, sets the endpoint (F18b)', async (subject) => {
      const presharedKey = new SecretKey(randomBytes(32));
      const kept = createPeer({ keepaliveSeconds: 25, presharedKey });
      const bare = createPeer({ allowedIps: [] });
      const other = createPeer();
      await subject.addPeers([kept, bare, other]);
      await subject.control.renewPeer(subject.device, kept.publicKey, six('2001:db8::9', 9), options);
      await subject.control.renewPeer(subject.device, bare.publicKey, four('192.0.2.9', 9), options);
      const after = await peerOf(subject, kept.publicKey);
      assert.deepEqual(new Set(after.allowedIps), new Set(kept.allowedIps));
      assert.equal(after.keepaliveSeconds, 25);
      assert.equal(await endpointOf(subject, kept.publicKey), '[2001:db8::9]:9');
      assert.equal(await endpointOf(subject, bare.publicKey), '192.0.2.9:9');
      assert.deepEqual(new Set((await peerOf(subject, other.publicKey)).allowedIps), new Set(other.allowedIps));
      if (subject.presharedKey) {
        assert.ok((await subject.presharedKey(kept.publicKey))?.equals(presharedKey), 'the preshared key is the same');
        assert.equal(await subject.presharedKey(bare.publicKey), undefined);
      }
      return undefined;
    }),

    test('renewPeer() ends the pause between two handshakes (F18b)', async (subject) => {
      const { kick, control, device } = subject;
      if (!kick) return { skipped: 'the subject has no tunnel' };
      const peer = createPeer();
      await subject.addPeers([peer]);
      // Nobody listens at this port of the subject's own loopback.
      const endpoint = four('127.0.0.1', 9);
      await control.setPeerEndpoints(device, new Map([[peer.publicKey, endpoint]]), options);
      const [address = ''] = (peer.allowedIps[0] ?? '').split('/');
      const txAfter = async (more: (tx: number) => boolean) => {
        const end = performance.now() + PATIENCE_MS;
        for (;;) {
          const { txBytes } = await peerOf(subject, peer.publicKey);
          if (more(txBytes) || performance.now() > end) return txBytes;
        }
      };
      const begun = performance.now();
      await kick(address);
      const first = await txAfter((tx) => tx > 0);
      assert.ok(first > 0, 'the first kick makes a handshake initiation');
      await kick(address);
      const second = (await peerOf(subject, peer.publicKey)).txBytes;
      // A machine that stalled for the whole pause proves nothing here.
      if (performance.now() - begun < PATIENCE_MS) assert.equal(second, first, 'a second kick falls into the pause');
      await control.renewPeer(device, peer.publicKey, endpoint, options);
      assert.equal((await peerOf(subject, peer.publicKey)).txBytes, 0, 'the renewed peer starts afresh');
      await kick(address);
      assert.ok((await txAfter((tx) => tx > 0)) > 0, 'a kick after the renewal makes a handshake initiation');
      return undefined;
    }),

    test('renewPeer() refuses a peer with more than 200 allowed IPs and leaves it alone', async (subject) => {
      const allowedIps = Array.from({ length: 201 }, (_, i) => `172.16.${i}.0/24`);
      const peer = createPeer({ allowedIps });
      await subject.addPeers([peer]);
      await assert.rejects(
        subject.control.renewPeer(subject.device, peer.publicKey, four('192.0.2.1', 1), options),
        (error: unknown) => hasCode(error, 'ERR_WG_FAILED') && (error as { retry?: unknown }).retry === 'never',
      );
      assert.equal((await peerOf(subject, peer.publicKey)).allowedIps.length, 201);
      return undefined;
    }),

    test('an aborted signal ends every call by its reason', async ({ control, device }) => {
      const reason = new Error('enough');
      const aborted = { signal: AbortSignal.abort(reason) };
      const key = randomKey();
      await assert.rejects(control.device(device, aborted), reason);
      await assert.rejects(control.setPeerEndpoints(device, new Map([[key, four('192.0.2.1', 1)]]), aborted), reason);
      await assert.rejects(control.renewPeer(device, key, four('192.0.2.1', 1), aborted), reason);
      await assert.rejects(control.setPeerKeepalive(device, key, 1, aborted), reason);
      return undefined;
    }),
  ];
}
