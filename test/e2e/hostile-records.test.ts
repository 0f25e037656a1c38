/** Whoever can write the store can neither aim a tunnel elsewhere nor stop a good record from working. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createKeyPair, type Daemon, type Lab, type PeerSnapshot } from './lab/index.js';
import { labTest } from './lab-test.js';
import { Folder, fingerprintOf, seal } from './records.js';

/** Only `a` runs a daemon; the test itself plays `b`, whose keys it has. */
const SPEC = { sides: { a: {}, b: {} }, coturn: [1] } as const;
const STUN = ['203.0.113.1:3478'];
const GOOD = '203.0.113.12:51820';

interface Scene {
  readonly folder: Folder;
  readonly daemon: Daemon;
  readonly a: ReturnType<Lab['host']>;
  readonly b: ReturnType<Lab['host']>;
  now(): number;
  /** Seals as b and puts it into b's place. */
  putFromB(record: Readonly<Record<string, unknown>>): Promise<string>;
  /** The peer once a new reading brought this error. */
  refused(code: string): Promise<PeerSnapshot>;
}

async function scene(lab: Lab): Promise<Scene> {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemon = await a.startDaemon({ stun: STUN });
  await daemon.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.published !== undefined, {
    what: "a's own record",
  });
  const folder = new Folder(lab.storeDir);
  return {
    folder,
    daemon,
    a,
    b,
    now: () => Math.floor(Date.now() / 1000),
    async putFromB(record) {
      const value = seal(JSON.stringify(record), b.keys, a.keys.publicKey);
      await folder.put(b.keys.publicKey, a.keys.publicKey, value);
      return value;
    },
    refused: (code) =>
      daemon.waitFor(
        (snapshot) => {
          const peer = snapshot.devices[0]?.peers[0];
          return peer?.lastError?.code === code ? peer : undefined;
        },
        { what: `the error ${code}` },
      ),
  };
}

/** Nothing was written to the device; and the good record, once there, still works. */
async function expectUnharmed({ daemon, putFromB, b, now }: Scene, peer: PeerSnapshot): Promise<void> {
  assert.equal(peer.endpointWrites, 0);
  assert.equal(peer.endpoint, undefined);
  await putFromB({ ipv4: GOOD, t: now() + 1, n: 1, f: fingerprintOf(b.keys.publicKey) });
  await daemon.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.endpoint === GOOD, {
    what: 'the good record to be used',
  });
}

function hostile(name: string, body: (scene: Scene, t: TestContext) => Promise<PeerSnapshot>): void {
  labTest(name, SPEC, async (lab, t) => {
    const set = await scene(lab);
    await expectUnharmed(set, await body(set, t));
  });
}

for (const [length, code] of [
  [60, 'ERR_RECORD_MALFORMED'],
  [120, 'ERR_RECORD_UNOPENED'],
] as const) {
  hostile(
    `a record cut off after ${length} characters is refused by ${code}`,
    async ({ folder, a, b, now, refused }) => {
      const whole = seal(JSON.stringify({ ipv4: GOOD, t: now() }), b.keys, a.keys.publicKey);
      await folder.put(b.keys.publicKey, a.keys.publicKey, whole.slice(0, length));
      return refused(code);
    },
  );
}

hostile('a record with a flipped bit does not open', async ({ folder, a, b, now, refused }) => {
  const whole = seal(JSON.stringify({ ipv4: GOOD, t: now() }), b.keys, a.keys.publicKey);
  const last = whole.endsWith('0') ? '1' : '0';
  await folder.put(b.keys.publicKey, a.keys.publicKey, whole.slice(0, -1) + last);
  return refused('ERR_RECORD_UNOPENED');
});

hostile('a record that a stranger sealed does not open', async ({ folder, a, b, now, refused }) => {
  const stranger = createKeyPair();
  const value = seal(JSON.stringify({ ipv4: '203.0.113.66:1', t: now() }), stranger, a.keys.publicKey);
  await folder.put(b.keys.publicKey, a.keys.publicKey, value);
  return refused('ERR_RECORD_UNOPENED');
});

hostile('a record that is not hexadecimal is refused', async ({ folder, a, b, daemon }) => {
  await folder.put(b.keys.publicKey, a.keys.publicKey, 'not a record at all\n');
  return daemon.waitFor(
    (snapshot) => {
      const peer = snapshot.devices[0]?.peers[0];
      return peer?.lastError !== undefined && /^ERR_(RECORD|STORE)_/.test(peer.lastError.code) ? peer : undefined;
    },
    { what: 'an error of the record' },
  );
});

hostile('a record that opens but is no JSON object is refused', async ({ folder, a, b, refused }) => {
  await folder.put(b.keys.publicKey, a.keys.publicKey, seal('[1, 2]', b.keys, a.keys.publicKey));
  return refused('ERR_RECORD_MALFORMED');
});

hostile("F20 our own record, copied into the peer's place, is refused", async ({ folder, a, b, refused }) => {
  await folder.put(b.keys.publicKey, a.keys.publicKey, await folder.get(a.keys.publicKey, b.keys.publicKey));
  return refused('ERR_RECORD_REFLECTED');
});

hostile('F20 an old-style record that equals what we publish is refused', async ({ putFromB, a, refused }) => {
  await putFromB({ ipv4: `${a.publicAddress}:51820` });
  return refused('ERR_RECORD_REFLECTED');
});

for (const [what, ipv4] of [
  ['unspecified', '0.0.0.0:51820'],
  ['loopback', '127.0.0.1:22'],
  ['multicast', '224.0.0.1:51820'],
  ['broadcast', '255.255.255.255:51820'],
  ['port 0', '203.0.113.12:0'],
  ['routed into the tunnel', '10.99.0.2:51820'],
] as const) {
  hostile(`F19 a record that names an address which is ${what} is refused`, async ({ putFromB, b, now, refused }) => {
    await putFromB({ ipv4, t: now(), f: fingerprintOf(b.keys.publicKey) });
    return refused('ERR_RECORD_ENDPOINT');
  });
}

labTest(
  "F19 a record that names this host's own address and port is refused",
  { sides: { a: { nats: ['none'] }, b: {} }, coturn: [1] },
  async (lab) => {
    const set = await scene(lab);
    await set.putFromB({
      ipv4: `${set.a.plan.hostAddress}:51820`,
      t: set.now(),
      f: fingerprintOf(set.b.keys.publicKey),
    });
    const peer = await set.daemon.waitFor(
      (snapshot) => {
        const seen = snapshot.devices[0]?.peers[0];
        return seen?.lastError !== undefined && /^ERR_RECORD_(ENDPOINT|REFLECTED)$/.test(seen.lastError.code)
          ? seen
          : undefined;
      },
      { what: 'an error of the record' },
    );
    await expectUnharmed(set, peer);
  },
);

labTest('F21 an older record of the peer, put back, does not replace a newer one', SPEC, async (lab) => {
  const { putFromB, folder, daemon, a, b, now } = await scene(lab);
  const f = fingerprintOf(b.keys.publicKey);
  const old = await putFromB({ ipv4: '203.0.113.70:1000', t: now() - 50, n: 1, f });
  await daemon.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.endpoint === '203.0.113.70:1000', {
    what: 'the first endpoint',
  });
  // The tunnel really comes up at the good one: b's WireGuard is there, only its daemon is not.
  await b.setEndpoint(a, `${a.publicAddress}:51820`);
  await putFromB({ ipv4: GOOD, t: now(), n: 2, f });
  void b.firstPing(a, { deadlineMs: 8000 });
  assert.notEqual(await a.firstPing(b), undefined);
  const connected = await daemon.waitForPhase('b', ['connected']);
  await folder.put(b.keys.publicKey, a.keys.publicKey, old);
  const after = await daemon.waitFor(
    (snapshot) => {
      const peer = snapshot.devices[0]?.peers[0];
      return peer && (peer.reads > connected.reads || (peer.record?.readAt ?? 0) > (connected.record?.readAt ?? 0))
        ? peer
        : undefined;
    },
    { what: 'the old record to be read' },
  );
  assert.equal(after.endpoint, GOOD);
  assert.equal(after.endpointWrites, connected.endpointWrites);
});
