/** One mapped port connects pairs of NATs that do not connect otherwise, by each protocol. */
import assert from 'node:assert/strict';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';
import { Folder, open, seal } from '../lab/steps/records.js';
import { startRouter } from './steps/router.js';

const PAIRS = [
  ['symmetric', 'port-restricted', 'pcp'],
  ['symmetric', 'symmetric', 'nat-pmp'],
  ['symmetric', 'symmetric', 'upnp'],
] as const;
/** "First ping within 2 s" with the file store, and what a loaded machine may add. */
const FIRST_PING_MS = 10_000;

for (const [a, b, protocol] of PAIRS) {
  labTest(
    `${a} with a port mapped by ${protocol} and ${b} connect`,
    { sides: { a: { nats: [a] }, b: { nats: [b] } }, coturn: [1, 2] },
    async (lab, t) => {
      const [one, two] = [lab.host('a'), lab.host('b')];
      const router = await startRouter(lab, one, {});
      await Promise.all([one.startDaemon({ device: { port_mapping: [protocol] } }), two.startDaemon()]);
      const ms = await two.firstPing(one, { deadlineMs: FIRST_PING_MS });
      t.diagnostic(`first ping after ${ms} ms`);
      await expectTunnel(one, two);
      assert.match(await router.rules(), /dnat/);
    },
  );
}

labTest(
  'a peer that reads and writes records of stunmesh-go reaches a symmetric side by its mapped port',
  { sides: { a: { nats: ['symmetric'] }, b: { nats: ['port-restricted'] } }, coturn: [1, 2] },
  async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    const router = await startRouter(lab, one);
    const store = new Folder(lab.storeDir);
    // Behind this NAT the public port is WireGuard's own.
    const plain = JSON.stringify({ ipv4: `${two.publicAddress}:51820` });
    await store.put(two.keys.publicKey, one.keys.publicKey, seal(plain, two.keys, one.keys.publicKey));
    const daemon = await one.startDaemon({ device: { port_mapping: 'auto' } });
    const ours = await daemon.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.published?.ipv4, {
      what: 'our record',
    });
    assert.match(ours, new RegExp(`^${router.publicAddress.replaceAll('.', '\\.')}:`));
    const record = open(await store.get(one.keys.publicKey, two.keys.publicKey), one.keys.publicKey, two.keys);
    assert.equal(JSON.parse(record ?? '').ipv4, ours);
    assert.match(await router.rules(), new RegExp(`dport ${ours.split(':')[1]} dnat`));
    await two.setEndpoint(one, ours);
    assert.ok((await two.firstPing(one, { deadlineMs: FIRST_PING_MS })) !== undefined);
  },
);

labTest(
  'F51 a peer that knocks before the mapping exists, whose flow the router pins, is reached all the same',
  { sides: { a: { nats: ['symmetric'] }, b: { nats: ['port-restricted'] } }, coturn: [1, 2] },
  async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    const router = await startRouter(lab, one);
    await two.setEndpoint(one, `${router.publicAddress}:51820`);
    assert.equal(await two.firstPing(one, { deadlineMs: 2_000 }), undefined);
    await Promise.all([one.startDaemon({ device: { port_mapping: ['pcp'] } }), two.startDaemon()]);
    await expectTunnel(one, two);
  },
);

labTest(
  'F58 an IPv6 pinhole by PCP: a peer that was never written to reaches WireGuard; it closes with the daemon',
  {
    sides: { a: { nats: ['port-restricted'], ipv6: 'stateful' }, b: { nats: ['none'], ipv6: 'open' } },
    coturn: [1, 2],
  },
  async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    const router = await startRouter(lab, one);
    const stun = ['[2001:db8:ffff::1]:3478', '[2001:db8:ffff::2]:3478'];
    const daemon = await one.startDaemon({ protocol: 'ipv6', stun, device: { port_mapping: ['pcp'] } });
    const endpoint = await daemon.waitFor(
      (snapshot) => snapshot.devices[0]?.portMapping?.mappings.find(({ family }) => family === 'ipv6')?.endpoint,
      { what: 'a pinhole' },
    );
    await two.setEndpoint(one, endpoint);
    assert.ok((await two.firstPing(one, { deadlineMs: FIRST_PING_MS })) !== undefined, await router.rules());
    daemon.process.signal('SIGTERM');
    await daemon.process.exited;
    assert.doesNotMatch(await router.rules(), /dport 51820 /);
  },
);
