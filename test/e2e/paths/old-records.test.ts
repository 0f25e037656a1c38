/** Peers whose records say nothing of checks: nothing but today's ways is tried with them. */
import assert from 'node:assert/strict';
import { type Host, type Lab, type LabSpec, sleep } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { Folder, seal } from '../lab/steps/records.js';
import { endpointAt } from './steps/meeting.js';

/** Binding requests of 72 bytes, as tcpdump names them. */
const CHECKS = 'udp[4:2] = 80 and udp[8:2] = 1';

/** stunmesh-go publishes this and nothing else. */
async function publishFor(lab: Lab, from: Host, to: Host, ipv4: string): Promise<void> {
  const plain = JSON.stringify({ ipv4 });
  await new Folder(lab.storeDir).put(from.keys.publicKey, to.keys.publicKey, seal(plain, from.keys, to.keys.publicKey));
}

const APART: LabSpec = { sides: { a: {}, b: {} }, coturn: [1, 2] };
const BESIDE: LabSpec = { sides: { a: { nats: ['full'], hairpin: true }, b: { beside: 'a' } }, coturn: [1, 2] };
for (const [what, spec, port, answers] of [
  ['behind another NAT', APART, 51820, 51820],
  ['in the same LAN, by the hairpinning router', BESIDE, 40820, 41820],
] as const) {
  labTest(
    `F45 a peer with stunmesh-go's record, ${what}, connects as ever, and no check is sent`,
    spec,
    async (lab) => {
      const [a, b] = [lab.host('a'), lab.host('b')];
      const ipv4 = `${b.publicAddress}:${port}`;
      await publishFor(lab, b, a, ipv4);
      await b.setEndpoint(a, `${a.publicAddress}:${answers}`);
      await using checks = await lab.countPackets(a.namespace, 'eth0', CHECKS);
      const daemon = await a.startDaemon();
      const [there, back] = await Promise.all([
        a.firstPing(b, { deadlineMs: 20_000 }),
        b.firstPing(a, { deadlineMs: 20_000 }),
      ]);
      assert.ok(there !== undefined && back !== undefined, `pings ${there} and ${back}`);
      await daemon.waitForPhase('b', ['connected']);
      await sleep(1_500);
      assert.equal(await endpointAt(a, b), ipv4);
      assert.deepEqual(checks.lines(), []);
    },
  );
}
