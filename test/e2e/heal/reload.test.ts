/** SIGHUP: a valid file is taken over peer by peer, an invalid one changes nothing; tunnels that did not change notice neither. */
import assert from 'node:assert/strict';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { daemonConfig, type LabSpec, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';
import { keepEvents, settledPair, untouched } from './steps/healing.js';

const THREE: LabSpec = { sides: { a: {}, b: {}, c: {} }, coturn: [1, 2] };

labTest(
  'a reload adds a peer and connects it, and removes one; the tunnel that stays keeps its counters',
  THREE,
  async (lab) => {
    const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
    const daemon = await a.startDaemon({ peers: ['b'] });
    await startAll([b, c]);
    await expectTunnel(a, b);
    const before = await untouched(daemon, 'b');
    using log = await keepEvents(daemon);
    const pings = a.pingBurst(b, 100, 0.1);
    await daemon.reload(daemonConfig(a, lab, { peers: ['b', 'c'] }));
    await expectTunnel(a, c);
    await daemon.reload(daemonConfig(a, lab, { peers: ['b'] }));
    const left = await daemon.waitFor(({ devices: [device] }) => device?.peers.length === 1 && device.peers, {
      what: 'c to be gone',
    });
    assert.equal(left[0]?.name, 'b');
    assert.deepEqual(await pings, { sent: 100, received: 100 });
    assert.deepEqual(await untouched(daemon, 'b'), before);
    assert.deepEqual(log.of('phase', 'b'), []);
    // What WireGuard has of a peer is its owner's; only our care for it ends.
    assert.deepEqual(await a.pingBurst(c, 3, 0.1), { sent: 3, received: 3 });
  },
);

labTest('a SIGHUP while the daemon starts does not end it, and is obeyed', THREE, async (lab) => {
  const a = lab.host('a');
  const daemon = await a.startDaemon({ peers: ['b'] });
  // Its lock is taken early, long before it says that it has started.
  await until(() => access(join(a.runDir, `${a.device}.lock`)).then(() => true), { pollMs: 1, what: 'its lock' });
  await daemon.reload(daemonConfig(a, lab, { peers: ['b', 'c'] }));
  await daemon.waitFor(({ devices: [device] }) => device?.peers.length === 2, { what: 'both peers' });
});

labTest('a file that is not valid changes nothing, and the log says where and why', THREE, async (lab) => {
  const { a, b, daemonA } = await settledPair(lab, { peers: ['a', 'b'] });
  const before = await untouched(daemonA, 'b');
  using log = await keepEvents(daemonA);
  const { pid } = daemonA;
  for (const [wrong, said] of [
    [{ ...daemonConfig(a, lab, { peers: ['b'] }), refresh_interval: '10' }, /refresh_interval/],
    [{ ...daemonConfig(a, lab, { peers: ['b'] }), interfacez: {} }, /interfacez/],
    ['stun: [', /config-1\.yaml/],
  ] as const) {
    const saidSoFar = daemonA.log().length;
    await daemonA.reload(wrong);
    await until(() => daemonA.log().slice(saidSoFar).includes('nothing changed'), { what: 'a refusal in the log' });
    assert.match(daemonA.log().slice(saidSoFar), said);
  }
  assert.equal((await daemonA.status()).pid, pid);
  assert.deepEqual(await untouched(daemonA, 'b'), before);
  assert.deepEqual(log.of('phase'), []);
  assert.deepEqual(await a.pingBurst(b, 10, 0.05), { sent: 10, received: 10 });
  // The next valid one is taken.
  const saidSoFar = daemonA.log().length;
  await daemonA.reload(daemonConfig(a, lab, { peers: ['b'], refreshInterval: '1s' }));
  await until(() => daemonA.log().slice(saidSoFar).includes('configuration reloaded'), { what: 'the reload' });
  await until(() => log.of('refreshed').length >= 3, { what: 'refreshes at the new interval' });
});

labTest(
  'a reload that turns the pings of a peer on finds it dead within seconds; one that moves it to another store keeps its tunnel',
  THREE,
  async (lab) => {
    const { a, b, daemonA } = await settledPair(lab, { peers: ['a', 'b'] });
    const before = await untouched(daemonA, 'b');
    const other = { type: 'builtin', name: 'file', path: `${lab.storeDir}-2` };
    using log = await keepEvents(daemonA);
    await daemonA.reload(daemonConfig(a, lab, { peers: ['b'], plugins: { folder: other } }));
    await until(() => log.of('published', 'b').length > 0, { what: 'our record in the other store' });
    assert.deepEqual(await untouched(daemonA, 'b'), before);
    assert.deepEqual(log.of('phase'), []);
    const ping = { enabled: true, target: b.tunnelAddress, interval: '1s', timeout: '1s' };
    await daemonA.reload(
      daemonConfig(a, lab, { peers: ['b'], plugins: { folder: other }, peerOverrides: { b: { ping } } }),
    );
    await daemonA.waitFor(
      ({ devices: [device] }) => (device?.peers[0] as { rttMs?: number } | undefined)?.rttMs !== undefined,
      {
        what: 'an answered ping',
      },
    );
    await b.blockUdp(b.plan.listenPort);
    await until(() => log.of('phase', 'b').some((event) => event['to'] === 'suspect'), { what: 'b to be suspect' });
  },
);
