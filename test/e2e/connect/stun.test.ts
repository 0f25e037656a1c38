/** Discovery among servers that are silent, lie, cannot be named or are blocked: one honest server is enough. */
import assert from 'node:assert/strict';
import { BLACKHOLE_ADDRESS, type Host } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { lie } from './steps/lie.js';

const LIES = [
  'silent',
  'wrong-transaction-id',
  'wrong-source',
  'error-response',
  'zero-address',
  'no-attribute',
  'garbage',
];
const HONEST = '203.0.113.1:3478';
const ALONE = { sides: { a: {}, b: {} }, coturn: [1] } as const;
/** A silent server must not delay the result (F2): 5 s would be its whole time limit. */
const SOON_MS = 3000;

/** The reflexive address that a daemon with these servers finds. */
async function discovered(host: Host, stun: readonly string[], deadlineMs = SOON_MS): Promise<string> {
  await using daemon = await host.startDaemon({ stun });
  await daemon.waitFor(() => true, { what: 'the daemon' });
  const address = await daemon.waitFor((snapshot) => snapshot.devices[0]?.reflexive.ipv4, {
    what: 'the reflexive address',
    deadlineMs,
  });
  return address;
}

labTest('F1 F2 one lying server beside an honest one neither decides nor delays the result', ALONE, async (lab, t) => {
  const a = lab.host('a');
  for (const [i, mode] of LIES.entries()) {
    await t.test(mode, async () => {
      const liar = await lie(lab, mode, 4000 + i);
      assert.equal(await discovered(a, [liar, HONEST]), `${a.publicAddress}:51820`);
    });
  }
});

labTest('F1 F7 lying servers alone: no address, no record, and the reason is shown', ALONE, async (lab) => {
  const a = lab.host('a');
  const stun = await Promise.all(LIES.map((mode, i) => lie(lab, mode, 4000 + i)));
  const daemon = await a.startDaemon({ stun });
  const device = await daemon.waitFor(
    (snapshot) => {
      const seen = snapshot.devices[0];
      return (seen?.errors?.length ?? 0) > 0 ? seen : undefined;
    },
    { what: 'an error of discovery' },
  );
  assert.deepEqual(device.reflexive, {});
  assert.match(device.errors?.[0]?.code ?? '', /^ERR_STUN_/);
  assert.equal(device.peers[0]?.published, undefined);
});

labTest('F7 a server that knows only MAPPED-ADDRESS will do', ALONE, async (lab) => {
  const a = lab.host('a');
  const old = await lie(lab, 'mapped-only', 4100);
  assert.equal(await discovered(a, [old]), `${a.publicAddress}:51820`);
});

labTest('F2 a server that never answers and one whose name does not resolve delay nobody', ALONE, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  await startAll([a, b], { stun: [`${BLACKHOLE_ADDRESS}:3478`, 'stun.invalid:3478', HONEST] });
  await expectTunnel(a, b);
});

labTest('F6b a probe that the own firewall refuses is named as such, and found to work later', ALONE, async (lab) => {
  const a = lab.host('a');
  await a.blockUdp(3478, 'host');
  const daemon = await a.startDaemon({ stun: [HONEST] });
  const device = await daemon.waitFor(
    (snapshot) => {
      const seen = snapshot.devices[0];
      return seen?.errors?.some((error) => error.code === 'ERR_STUN_BLOCKED') ? seen : undefined;
    },
    { what: 'ERR_STUN_BLOCKED' },
  );
  assert.deepEqual(device.reflexive, {});
  await a.unblockUdp(3478, 'host');
  await daemon.waitFor((snapshot) => snapshot.devices[0]?.reflexive.ipv4, {
    what: 'the reflexive address',
    deadlineMs: 30_000,
  });
});

labTest(
  'F7 a host without NAT publishes its own address with its listen port',
  { sides: { a: { nats: ['none'] }, b: {} }, coturn: [1] },
  async (lab) => {
    const a = lab.host('a');
    assert.equal(await discovered(a, [HONEST]), `${a.plan.hostAddress}:51820`);
  },
);

labTest("the project's own STUN server serves a pair as coturn does", { sides: { a: {}, b: {} } }, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  lab.spawn(lab.publicNamespace, [
    ...lab.daemonCommand,
    'stun-server',
    '--listen',
    '203.0.113.1:3478',
    '--listen',
    '203.0.113.2:3478',
  ]);
  await startAll([a, b]);
  await expectTunnel(a, b);
  assert.equal((await a.daemons[0]?.device())?.reflexive.ipv4, `${a.publicAddress}:51820`);
});
