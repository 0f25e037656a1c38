/** A tunnel that works is left alone, whatever is published meanwhile. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel, startAll } from '../lab/steps/pair.js';

labTest(
  'F16 a healthy tunnel is never written to over several refreshes',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemon] = await startAll([a, b], { refreshInterval: '1s' });
    await expectTunnel(a, b);
    const before = await daemon?.device();
    const endpoint = (await a.deviceState()).peers[0]?.endpoint;
    const burst = a.pingBurst(b, 100, 0.05);
    const after = await daemon?.waitFor(
      (snapshot) => {
        const device = snapshot.devices[0];
        return device && device.discoveries >= (before?.discoveries ?? 0) + 4 ? device : undefined;
      },
      { what: 'four more discoveries' },
    );
    assert.equal(after?.peers[0]?.endpointWrites, before?.peers[0]?.endpointWrites);
    assert.equal(after?.peers[0]?.renewals, before?.peers[0]?.renewals);
    assert.equal((await a.deviceState()).peers[0]?.endpoint, endpoint);
    assert.deepEqual(await burst, { sent: 100, received: 100 });
  },
);

labTest(
  'F16 a symmetric and an open host, refresh every 5 s: 200 of 200 pings pass, though the record names another port than the tunnel uses',
  { sides: { a: { nats: ['none'] }, b: { nats: ['symmetric'] } }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    const [daemon] = await startAll([a, b], { refreshInterval: '5s' });
    await expectTunnel(a, b);
    const before = await daemon?.peer('b');
    assert.notEqual(before?.endpoint, before?.record?.ipv4);
    assert.deepEqual(await a.pingBurst(b, 200, 0.06), { sent: 200, received: 200 });
    const after = await daemon?.peer('b');
    assert.ok(after && before && after.reads >= before.reads + 2, 'records were read meanwhile');
    assert.equal(after.endpointWrites, before.endpointWrites);
  },
);

labTest('events tell the way of a peer to its tunnel', { sides: { a: {}, b: {} }, coturn: [1, 2] }, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const daemon = await a.startDaemon();
  const seen: string[] = [];
  await daemon.waitFor(() => true, { what: 'the daemon' });
  using stream = await daemon.events((event) =>
    seen.push(event.event === 'phase' ? `phase ${String(event['to'])}` : event.event),
  );
  assert.equal(stream.first.devices[0]?.peers[0]?.phase, 'waiting');
  const other = await b.startDaemon();
  // The side with the smaller key sets the endpoint, and the other one follows.
  await expectTunnel(a, b);
  const [ours, theirs] = [await daemon.peer('b'), await other.peer('a')];
  assert.ok(ours && theirs && ours.endpointWrites + theirs.endpointWrites > 0);
  for (const event of ['record', ...(ours.endpointWrites > 0 ? ['endpoint'] : []), 'phase connected'])
    assert.ok(seen.includes(event), `${event} in ${seen.join(', ')}`);
});
