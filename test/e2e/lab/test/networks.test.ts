/** Proves networks that sides share or have alike: hosts beside each other, hairpinning, one carrier, equal prefixes. */
import assert from 'node:assert/strict';
import { type Host, type LabSpec, until, WIREGUARD_PORT } from '../index.js';
import { startDecoy } from '../steps/decoy.js';
import { labTest } from '../steps/lab-test.js';
import { type Address, Probe } from '../steps/probe.js';

const BARE = { wireguard: false } as const;

interface Listener {
  readonly probe: Probe;
  readonly at: Address;
}

async function listen(host: Host): Promise<Listener> {
  const probe = new Probe((argv) => host.spawn(argv));
  const at = { address: host.plan.hostAddress, port: 40001 };
  await probe.bind(at);
  return { probe, at };
}

labTest(
  'two hosts beside each other meet in their own network, and have the public address in common',
  { sides: { a: BARE, b: { ...BARE, beside: 'a' } } },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    assert.equal(a.publicAddress, b.publicAddress);
    const [here, there] = await Promise.all([listen(a), listen(b)]);
    await here.probe.send(here.at, there.at, 'across');
    assert.deepEqual((await there.probe.receive('across')).from, here.at);
    assert.equal(await a.move(), b.publicAddress);
  },
);

for (const hairpin of [false, true]) {
  labTest(
    `a router ${hairpin ? 'with' : 'without'} hairpinning: what is sent to its public address from within ${hairpin ? 'comes back in, from there' : 'is lost'}`,
    { sides: { a: { ...BARE, nats: ['full'], hairpin }, b: { ...BARE, beside: 'a' } } },
    async (lab) => {
      const [here, there] = await Promise.all([listen(lab.host('a')), listen(lab.host('b'))]);
      const { publicAddress } = lab.host('a');
      await here.probe.send(here.at, { address: publicAddress, port: 29001 }, 'by the public address');
      await here.probe.send(here.at, there.at, 'across');
      await there.probe.receive('across');
      if (!hairpin) {
        assert.equal(there.probe.has('by the public address'), false);
        return;
      }
      const { from } = await there.probe.receive('by the public address');
      assert.deepEqual(from, { address: publicAddress, port: 30001 });
      await there.probe.send(there.at, from, 'and back');
      assert.deepEqual((await here.probe.receive('and back')).from, { address: publicAddress, port: 29001 });
    },
  );
}

for (const hairpin of [false, true]) {
  labTest(
    `two homes behind one carrier's NAT ${hairpin ? 'that hairpins reach' : 'without hairpinning do not reach'} each other by its address`,
    {
      sides: {
        a: { ...BARE, nats: ['port-restricted', 'full'], hairpin },
        b: { ...BARE, nats: ['port-restricted'], carrier: 'a' },
      },
    },
    async (lab) => {
      const [a, b] = [lab.host('a'), lab.host('b')];
      assert.equal(a.publicAddress, b.publicAddress);
      assert.notEqual(a.plan.routers[0]?.wanAddress, b.plan.routers[0]?.wanAddress);
      const [here, there] = await Promise.all([listen(a), listen(b)]);
      const [shown, wanted] = [30001, 29001].map((port) => ({ address: a.publicAddress, port }));
      assert.ok(shown && wanted);
      await here.probe.send(here.at, wanted, 'opens');
      await there.probe.send(there.at, shown, 'back');
      if (hairpin) assert.deepEqual((await here.probe.receive('back')).from, wanted);
      else {
        await here.probe.send(here.at, wanted, 'again');
        assert.equal(here.probe.has('back') || there.probe.has('again'), false);
      }
    },
  );
}

const EQUAL: LabSpec = {
  sides: {
    a: { ...BARE, lan: '192.168.1.0', number: 2, decoy: 3 },
    b: { ...BARE, lan: '192.168.1.0', number: 3, decoy: 2 },
  },
};
labTest("two sites with equal prefixes: a decoy at the peer's address answers STUN", EQUAL, async (lab) => {
  const [a, b] = [lab.host('a'), lab.host('b')];
  assert.equal(a.plan.decoy?.address, b.plan.hostAddress);
  assert.equal(b.plan.decoy?.address, a.plan.hostAddress);
  const decoy = await startDecoy(lab, a);
  const { probe, at } = await listen(a);
  const request = Buffer.from('000100002112a442000102030405060708090a0b', 'hex');
  await probe.send(at, { address: decoy.address, port: WIREGUARD_PORT }, request);
  await until(() => probe.received[0], { what: 'an answer of the decoy' });
  const initiation = Buffer.alloc(148);
  initiation.writeUInt32LE(1, 0);
  await probe.send(at, { address: decoy.address, port: WIREGUARD_PORT }, initiation);
  const [answer, response] = await until(() => (probe.received.length > 1 ? probe.received : undefined), {
    what: 'a response of the decoy',
  });
  assert.equal(answer?.bytes.readUInt16BE(0), 0x0101);
  assert.deepEqual(answer?.bytes.subarray(4, 20), request.subarray(4, 20));
  assert.equal(response?.bytes.readUInt32LE(0), 2);
  assert.deepEqual([decoy.count('request'), decoy.count('initiation')], [1, 1]);
});
