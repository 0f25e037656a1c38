/** Stores, daemons, devices and plugins that fail for a while: the tunnels come, or stay, as soon as they can. */
import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { REPOSITORY, run, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

const PAIR = { sides: { a: {}, b: {} }, coturn: [1, 2] } as const;

labTest('F32 a store that is unreachable at the start is retried until it works', PAIR, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  // A file where the folder should be: neither read nor made anew.
  await rm(lab.storeDir, { recursive: true });
  await writeFile(lab.storeDir, '');
  const daemons = await startAll([a, b]);
  for (const daemon of daemons) {
    await daemon.waitFor((snapshot) => (snapshot.stores[0]?.failures ?? 0) > 1, { what: 'failures of the store' });
    const peer = (await daemon.device()).peers[0];
    assert.equal(peer?.phase, 'waiting');
    assert.match(peer?.lastError?.code ?? '', /^ERR_STORE_/);
  }
  await rm(lab.storeDir);
  await expectTunnel(a, b);
});

labTest('a store that goes away leaves a tunnel alone, and records go on when it is back', PAIR, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const [daemon] = await startAll([a, b], { refreshInterval: '1s' });
  await expectTunnel(a, b);
  const away = `${lab.storeDir}.away`;
  await rename(lab.storeDir, away);
  await writeFile(lab.storeDir, '');
  const failures = (await daemon?.status())?.stores[0]?.failures ?? 0;
  await daemon?.waitFor((snapshot) => (snapshot.stores[0]?.failures ?? 0) > failures + 1, {
    what: 'failures of the store',
  });
  assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
  const before = await daemon?.peer('b');
  assert.equal(before?.phase, 'connected');
  await rm(lab.storeDir);
  await rename(away, lab.storeDir);
  await daemon?.waitFor((snapshot) => (snapshot.devices[0]?.peers[0]?.reads ?? 0) > (before?.reads ?? 0) + 1, {
    what: 'reads of the store',
  });
  assert.equal((await daemon?.peer('b'))?.endpointWrites, before?.endpointWrites);
});

labTest(
  'a killed daemon is started again: the tunnel lasts, its lock is free, and nothing is written to it',
  PAIR,
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [first] = await startAll([a, b]);
    await expectTunnel(a, b);
    await first?.kill();
    assert.deepEqual(await a.pingBurst(b, 20, 0.02), { sent: 20, received: 20 });
    const second = await a.startDaemon();
    const peer = await second.waitForPhase('b', ['connected']);
    await second.waitFor((snapshot) => (snapshot.devices[0]?.peers[0]?.reads ?? 0) > 0, {
      what: 'a reading of the record',
    });
    assert.equal(peer.endpointWrites, 0);
    assert.equal(peer.renewals, 0);
    assert.deepEqual(await b.pingBurst(a, 20, 0.02), { sent: 20, received: 20 });
  },
);

labTest('F38 a second daemon for the same device is refused by the name of the first', PAIR, async (lab) => {
  const a = lab.host('a');
  const first = await a.startDaemon();
  await first.waitFor(() => true, { what: 'the first daemon' });
  const second = await a.startDaemon();
  assert.equal((await second.process.exited).code, 1);
  assert.match(second.log(), /ERR_LOCKED/);
  assert.match(second.log(), new RegExp(`\\b${first.pid}\\b`));
  assert.ok(first.process.running);
});

labTest(
  'F26 a device that is made after the daemon is picked up',
  { sides: { a: {}, b: { wireguard: { atStart: false } } }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [, late] = await startAll([a, b]);
    await late?.waitFor((snapshot) => snapshot.devices[0]?.state === 'missing', {
      what: 'the missing device to be seen',
    });
    await b.createDevice();
    await expectTunnel(a, b);
  },
);

labTest('F26 a device that is deleted and made anew is picked up', PAIR, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemons = await startAll([a, b]);
  await expectTunnel(a, b);
  await b.deleteDevice();
  await daemons[1]?.waitFor((snapshot) => snapshot.devices[0]?.state === 'missing', {
    what: 'the deletion to be seen',
  });
  await b.createDevice();
  await expectTunnel(a, b);
});

labTest(
  'F13 a hung plugin beside a good one delays nobody else, and dies with the daemon',
  { sides: { a: {}, b: {}, c: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
    const good = { type: 'builtin', name: 'file', path: lab.storeDir };
    const hung = {
      type: 'exec',
      command: join(REPOSITORY, 'test/fixtures/e2e/hung-plugin.sh'),
      args: [lab.name],
      timeout: '2s',
    };
    const daemon = await a.startDaemon({ plugins: { hung, folder: good }, peerOverrides: { b: { plugin: 'hung' } } });
    await Promise.all([b.startDaemon(), c.startDaemon()]);
    await expectTunnel(a, c);
    const hanging = async () => (await run(undefined, ['pgrep', '-f', `hung-plugin.sh ${lab.name}`])).stdout !== '';
    const peer = await daemon.waitFor(
      (snapshot) => {
        const seen = snapshot.devices[0]?.peers.find((candidate) => candidate.name === 'b');
        return seen?.lastError?.code === 'ERR_DEADLINE' ? seen : undefined;
      },
      { what: 'the deadline of the hung plugin' },
    );
    assert.equal(peer.phase, 'waiting');
    await until(hanging, { what: 'a hanging call' });
    assert.equal(await daemon.stop(), 0);
    await until(async () => !(await hanging()), { what: 'the hung child to end' });
  },
);

labTest('F41 a signal stops the daemon in order, and its socket and lock are gone', PAIR, async (lab) => {
  const a = lab.host('a');
  const daemon = await a.startDaemon();
  await daemon.waitFor((snapshot) => snapshot.devices[0]?.reflexive.ipv4 !== undefined, {
    what: 'the reflexive address',
  });
  assert.equal(await daemon.stop(), 0);
  await assert.rejects(daemon.status());
  const again = await a.startDaemon();
  await again.waitFor(() => true, { what: 'a daemon in its place' });
});
