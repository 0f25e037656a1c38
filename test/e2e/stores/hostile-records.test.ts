/** Whoever can write the store can neither aim a tunnel elsewhere nor stop a good record from working. */
import assert from 'node:assert/strict';
import { createKeyPair, type Daemon, type Host, type Lab, type PeerSnapshot } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { codeOf, Folder, seal } from '../lab/steps/records.js';

/** Only `a` runs a daemon; the test itself plays `b`, whose keys it has. */
const SPEC = { sides: { a: {}, b: {} }, coturn: [1] } as const;
const STUN = ['203.0.113.1:3478'];
const GOOD = '203.0.113.12:51820';

interface Scene {
  readonly folder: Folder;
  readonly daemon: Daemon;
  readonly a: Host;
  readonly b: Host;
}

async function openScene(lab: Lab): Promise<Scene> {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemon = await a.startDaemon({ stun: STUN });
  const published = { what: "a's own record" };
  await daemon.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.published !== undefined, published);
  return { folder: new Folder(lab.storeDir), daemon, a, b };
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

interface HandRecord {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly t?: number;
  readonly n?: number;
}

/** What b itself would leave for a. */
function sealAsB({ a, b }: Scene, { t = nowSeconds(), n = 0, ...endpoints }: HandRecord): string {
  const c = codeOf({ sender: b.keys.publicKey, t, n });
  return seal(JSON.stringify({ ...endpoints, c }), b.keys, a.keys.publicKey);
}

function putAsB({ folder, a, b }: Scene, value: string): Promise<void> {
  return folder.put(b.keys.publicKey, a.keys.publicKey, value);
}

/** A value, put into b's place, is refused with this error, and nothing is written to the device. */
async function expectRefused(scene: Scene, value: string, code: RegExp): Promise<void> {
  const before = (await scene.daemon.device()).peers[0];
  await putAsB(scene, value);
  const read = (peer: PeerSnapshot | undefined): boolean =>
    peer?.lastError !== undefined && code.test(peer.lastError.code) && peer.lastError.at > (before?.lastError?.at ?? 0);
  const peer = await scene.daemon.waitFor(
    (snapshot) => (read(snapshot.devices[0]?.peers[0]) ? snapshot.devices[0]?.peers[0] : undefined),
    { what: `an error like ${code.source}` },
  );
  assert.equal(peer.endpointWrites, 0);
  assert.equal(peer.endpoint, undefined);
}

/** There is nobody to answer checks, so the endpoint is not set: it is a way that is tried. */
async function expectUsed(scene: Scene, value: string, endpoint: string): Promise<void> {
  await putAsB(scene, value);
  const used = { what: `the record of ${endpoint} to be used` };
  const isTried = ({ paths = [] }: PeerSnapshot): boolean =>
    paths.some((path) => path.endpoint === endpoint && path.state !== 'refused');
  await scene.daemon.waitFor((snapshot) => snapshot.devices[0]?.peers.some(isTried), used);
}

type Hostile = readonly [what: string, value: (scene: Scene) => string | Promise<string>, code: RegExp];

const UNREADABLE: readonly Hostile[] = [
  [
    'a record cut off after 60 characters',
    (scene) => sealAsB(scene, { ipv4: GOOD }).slice(0, 60),
    /^ERR_RECORD_MALFORMED$/,
  ],
  [
    'a record cut off after 120 characters',
    (scene) => sealAsB(scene, { ipv4: GOOD }).slice(0, 120),
    /^ERR_RECORD_UNOPENED$/,
  ],
  [
    'a record with a changed digit',
    (scene) => sealAsB(scene, { ipv4: GOOD }).replace(/.$/, (last) => (last === '0' ? '1' : '0')),
    /^ERR_RECORD_UNOPENED$/,
  ],
  [
    'a record that a stranger sealed',
    ({ a }) => seal(JSON.stringify({ ipv4: '203.0.113.66:1' }), createKeyPair(), a.keys.publicKey),
    /^ERR_RECORD_UNOPENED$/,
  ],
  ['a value that is no hexadecimal', () => 'not a record at all\n', /^ERR_(RECORD_MALFORMED|STORE_\w+)$/],
  [
    'a record that opens but is no JSON object',
    ({ a, b }) => seal('[1, 2]', b.keys, a.keys.publicKey),
    /^ERR_RECORD_MALFORMED$/,
  ],
];

const REFLECTED: readonly Hostile[] = [
  [
    "our own record, copied into the peer's place",
    ({ folder, a, b }) => folder.get(a.keys.publicKey, b.keys.publicKey),
    /^ERR_RECORD_REFLECTED$/,
  ],
  [
    'a record without sender that equals what we publish',
    ({ a, b }) => seal(JSON.stringify({ ipv4: `${a.publicAddress}:51820` }), b.keys, a.keys.publicKey),
    /^ERR_RECORD_REFLECTED$/,
  ],
];

const ADDRESSES: readonly Hostile[] = (
  [
    ['an unspecified address', '0.0.0.0:51820'],
    ['a loopback address', '127.0.0.1:22'],
    ['a multicast address', '224.0.0.1:51820'],
    ['the broadcast address', '255.255.255.255:51820'],
    ['port 0', '203.0.113.12:0'],
    ['an address that is routed into the tunnel', '10.99.0.2:51820'],
  ] as const
).map(([what, ipv4]) => [what, (scene: Scene) => sealAsB(scene, { ipv4 }), /^ERR_RECORD_ENDPOINT$/] as const);

for (const [title, cases] of [
  ['records that cannot be read are refused and named', UNREADABLE],
  ['F20 reflected records are refused', REFLECTED],
  ['F19 records that name an address nobody can have are refused', ADDRESSES],
] as const) {
  labTest(`${title}, and a good one works after them`, SPEC, async (lab, t) => {
    const scene = await openScene(lab);
    for (const [what, value, code] of cases) {
      await t.test(what, async () => expectRefused(scene, await value(scene), code));
    }
    await expectUsed(scene, sealAsB(scene, { ipv4: GOOD, t: nowSeconds() + 1 }), GOOD);
  });
}

const OPEN = { sides: { a: { nats: ['none'] }, b: {} }, coturn: [1] } as const;
labTest("F19 a record that names this host's own address and port is refused", OPEN, async (lab) => {
  const scene = await openScene(lab);
  const own = `${scene.a.plan.hostAddress}:51820`;
  await expectRefused(scene, sealAsB(scene, { ipv4: own }), /^ERR_RECORD_(ENDPOINT|REFLECTED)$/);
});

labTest('F21 an older record of the peer, put back, does not replace a newer one', SPEC, async (lab) => {
  const scene = await openScene(lab);
  const { daemon, a, b } = scene;
  const old = sealAsB(scene, { ipv4: '203.0.113.70:1000', t: nowSeconds() - 50, n: 1 });
  await expectUsed(scene, old, '203.0.113.70:1000');
  // The tunnel really comes up at the newer one: b's WireGuard is there, only its daemon is not.
  await b.setEndpoint(a, `${a.publicAddress}:51820`);
  await expectUsed(scene, sealAsB(scene, { ipv4: GOOD, n: 2 }), GOOD);
  const pings = await Promise.all([a.firstPing(b), b.firstPing(a)]);
  assert.ok(pings.every((ping) => ping !== undefined));
  const connected = await daemon.waitForPhase('b', ['connected']);
  await putAsB(scene, old);
  const read = { what: 'the old record to be read' };
  const after = await daemon.waitFor((snapshot) => {
    const peer = snapshot.devices[0]?.peers[0];
    return peer && peer.reads > connected.reads ? peer : undefined;
  }, read);
  assert.equal(after.endpoint, GOOD);
  assert.equal(after.endpointWrites, connected.endpointWrites);
});
