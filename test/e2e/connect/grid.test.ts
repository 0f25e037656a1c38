/** Every pair of NATs that plain hole punching can connect does, and those that it cannot come to no harm. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { NAT_PAIRS } from '../lab/steps/nat-pairs.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

for (const { a, b } of NAT_PAIRS.filter(({ connects }) => connects)) {
  labTest(`${a} and ${b} connect`, { sides: { a: { nats: [a] }, b: { nats: [b] } }, coturn: [1, 2] }, async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    await startAll([one, two]);
    await expectTunnel(one, two);
    assert.deepEqual(await one.pingBurst(two, 20, 0.02), { sent: 20, received: 20 });
  });
}

for (const { a: nat } of NAT_PAIRS.filter(({ connects }) => !connects)) {
  labTest(
    `symmetric and ${nat} do not connect; the daemons keep trying without harm to others`,
    { sides: { a: { nats: ['symmetric'] }, b: { nats: [nat] }, c: { nats: ['full'] } }, coturn: [1, 2] },
    async (lab) => {
      const [a, b, c] = [lab.host('a'), lab.host('b'), lab.host('c')];
      await startAll([a, b, c]);
      await Promise.all([expectTunnel(a, c), expectTunnel(b, c)]);
      const before = await a.daemons[0]?.peer('b');
      const burst = a.pingBurst(c, 200, 0.04);
      assert.equal(await a.firstPing(b, { deadlineMs: 7500 }), undefined);
      assert.deepEqual(await burst, { sent: 200, received: 200 });
      for (const [host, other] of [
        [a, 'b'],
        [b, 'a'],
      ] as const) {
        const peer = await host.daemons[0]?.peer(other);
        assert.ok(peer && ['connecting', 'suspect'].includes(peer.phase), `phase ${peer?.phase}`);
        // At most one endpoint change in 3 s and three renewals a changed record, in about 12 s.
        assert.ok(peer.endpointWrites <= 5, `${peer.endpointWrites} endpoint writes`);
        assert.ok(peer.renewals <= 6, `${peer.renewals} renewals`);
        const friend = await host.daemons[0]?.peer('c');
        assert.equal(friend?.phase, 'connected');
      }
      // It still tries: reads go on; WireGuard itself is let go in common slots alone, from the second minute on (F43).
      const after = await a.daemons[0]?.waitFor(
        (snapshot) => {
          const peer = snapshot.devices[0]?.peers.find((candidate) => candidate.name === 'b');
          return peer && before && peer.reads > before.reads ? peer : undefined;
        },
        { what: 'another try' },
      );
      assert.ok(after);
    },
  );
}
