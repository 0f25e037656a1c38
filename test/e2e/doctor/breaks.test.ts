/** What breaks a tunnel in the night is named within seconds by status and doctor, and is over with its cause (F72, F73). */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe } from 'node:test';
import { pinging } from '../heal/steps/healing.js';
import { createKeyPair, type Host, type KeyPair, type LabSpec, must, REPOSITORY } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { turnBack, turnSymmetric } from '../lab/steps/turn-symmetric.js';
import { uapi } from '../lab/uapi.js';
import { examine, expectNamed } from './steps/doctoring.js';

const PAIR: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };
const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');
const SOON = { deadlineMs: 20_000 };

/** What `stunmesh status --check` prints, on one line; it has to find that something is not well. */
async function statusOf(host: Host): Promise<string> {
  const { code, stdout } = await host.exec([process.execPath, MAIN, 'status', '--check', '--run-dir', host.runDir]);
  assert.equal(code, 1, stdout);
  return stdout.replaceAll(/\s+/g, ' ');
}

const setKey = (host: Host, { secret }: KeyPair) => uapi(host.device, `set=1\nprivate_key=${secret.toString('hex')}`);

describe('breaks of the night', { concurrency: 2 }, () => {
  labTest('a device that moved to another network namespace cannot be pinged, and that is said', PAIR, async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemon] = await startAll([a, b], pinging([a, b], '1s'));
    assert.ok(daemon);
    await expectTunnel(a, b);
    const [router] = a.plan.routers;
    assert.ok(router);
    await must(a.namespace, ['ip', 'link', 'set', a.device, 'netns', router.namespace]);
    await daemon.waitFor(
      ({ devices: [device] }) => device?.peers.some(({ lastError }) => lastError?.code === 'ERR_CAPTURE_OPEN'),
      { ...SOON, what: 'that b cannot be pinged' },
    );
    assert.match(await statusOf(a), /no ping can be sent: .*another network namespace, run stunmesh in that one/);
    expectNamed(await examine(a, daemon.configFile), {
      check: 'peer',
      verdict: 'warning',
      text: /no ping can be sent/,
      remedy: /./,
      code: 'ERR_CAPTURE_OPEN',
    });
  });

  labTest(
    'both NATs became symmetric: cannot connect as they are, in status and doctor, until they are as before',
    PAIR,
    async (lab) => {
      const [a, b] = [lab.host('a'), lab.host('b')];
      const daemons = await startAll([a, b], pinging([a, b], '1s'));
      await expectTunnel(a, b);
      await Promise.all([turnSymmetric(a), turnSymmetric(b)]);
      for (const daemon of daemons)
        await daemon.waitFor(
          ({ devices: [device] }) =>
            device?.peers.some(({ bothSymmetric, phase }) => bothSymmetric && phase !== 'connected'),
          { ...SOON, what: 'that both NATs are known to be symmetric' },
        );
      const [daemon] = daemons;
      assert.ok(daemon);
      assert.match(await statusOf(a), /both NATs are symmetric .* cannot connect as they are; see `stunmesh doctor`/);
      expectNamed(await examine(a, daemon.configFile), {
        check: 'peer',
        verdict: 'fault',
        text: /^cannot connect: .*symmetric.*symmetric/,
        remedy: /forward/,
      });
      await Promise.all([turnBack(a), turnBack(b)]);
      await expectTunnel(a, b, 60_000);
    },
  );

  labTest(
    'our own key changed: the new one is named, and the former one set again is all that is needed',
    PAIR,
    async (lab) => {
      const [a, b] = [lab.host('a'), lab.host('b')];
      const [daemon] = await startAll([a, b], pinging([a, b], '1s'));
      assert.ok(daemon);
      await expectTunnel(a, b);
      const other = createKeyPair();
      await setKey(a, other);
      await daemon.waitFor(
        ({ devices: [device] }) => device?.peers.some(({ lastError }) => lastError?.code === 'ERR_KEY_CHANGED'),
        { ...SOON, what: 'that our key changed' },
      );
      assert.ok((await statusOf(a)).includes(`give the peer the new public key ${other.publicKey}`));
      const found = await examine(a, daemon.configFile);
      expectNamed(found, { check: 'peer', verdict: 'fault', text: /our key changed/, remedy: /new public key/ });
      await setKey(a, a.keys);
      await expectTunnel(a, b);
      assert.equal((await daemon.peer('b')).lastError, undefined);
    },
  );

  labTest(
    'a second host with our key is told within seconds, long before the refresh',
    {
      sides: { a: {}, b: {}, c: {} },
      coturn: [1, 2],
    },
    async (lab) => {
      const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
      const [daemon] = await startAll([a, b], { ...pinging([a, b], '1s') });
      assert.ok(daemon);
      await expectTunnel(a, b);
      await setKey(c, a.keys);
      await c.startDaemon({ peers: ['b'] });
      await daemon.waitFor(
        ({ devices: [device] }) => device?.peers.some(({ lastError }) => lastError?.code === 'ERR_KEY_SHARED'),
        { ...SOON, deadlineMs: 30_000, what: 'that another host has our key' },
      );
      assert.ok((await statusOf(a)).includes(c.publicAddress));
    },
  );

  labTest('a folder that is removed is a fault at once, and is made again with all records', PAIR, async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemon] = await startAll([a, b]);
    assert.ok(daemon);
    await expectTunnel(a, b);
    const written = (await daemon.peer('b')).published?.at ?? Number.POSITIVE_INFINITY;
    await rm(lab.storeDir, { recursive: true });
    await daemon.waitFor(
      ({ devices: [device] }) => device?.peers.some(({ published }) => (published?.at ?? 0) > written),
      { ...SOON, what: 'another record of ours' },
    );
    await daemon.waitFor(
      ({ devices: [device] }) => device?.peers.every(({ lastError, record }) => lastError === undefined && record),
      { ...SOON, what: 'b to be well, with its record read' },
    );
  });
});
