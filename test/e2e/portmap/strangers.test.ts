/** Hosts of the LAN that answer in the router's place, and a router that speaks NAT-PMP alone. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type Daemon, type Host, type Lab, must, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';
import { Folder, open } from '../lab/steps/records.js';
import { startLiar } from './steps/liar.js';
import { startRouter } from './steps/router.js';

const BESIDE = {
  sides: { a: { nats: ['symmetric'] }, c: { beside: 'a', wireguard: false }, b: { nats: ['none'] } },
  coturn: [1, 2],
} as const;

const mappingOf = (daemon: Daemon, state: string) =>
  daemon.waitFor(({ devices: [device] }) => device?.portMapping?.state === state && device.portMapping, {
    what: `"${state}"`,
  });

/** What peers are told: our record, opened as the peer opens it. */
async function told(lab: Lab, from: Host, to: Host): Promise<string> {
  const record = await until(
    () => new Folder(lab.storeDir).get(from.keys.publicKey, to.keys.publicKey).catch(() => undefined),
    { what: 'our record' },
  );
  return open(record, from.keys.publicKey, to.keys) ?? '';
}

labTest(
  'F55 strangers who answer for the router, by their own address and by its, are passed over, named once, and harm nothing',
  BESIDE,
  async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    const router = await startRouter(lab, one);
    const liar = await startLiar(lab.host('c'), one, { forged: 'ssdp pcp' });
    // As long as the router is silent, nobody's answer comes before theirs.
    await router.silence();
    const daemon = await one.startDaemon({ device: { port_mapping: 'auto' } });
    assert.equal((await mappingOf(daemon, 'failed')).error?.code, 'ERR_PORTMAP_NONE');
    const passedOver = () => daemon.log().match(/port mapping: passed over: [^"]*/g) ?? [];
    assert.deepEqual([...passedOver()].sort(), [
      `port mapping: passed over: a UPnP answer whose description is elsewhere (${liar.address}) (router ${liar.router})`,
      `port mapping: passed over: a datagram on the PCP port that answers no question of ours (router ${liar.router})`,
    ]);
    const plain = await told(lab, one, two);
    assert.ok(plain.includes(`"${router.publicAddress}:`) && !plain.includes(liar.address), plain);

    await router.speak();
    const text = await readFile(daemon.configFile, 'utf8');
    await daemon.reload(JSON.parse(text.replace('"auto"', '["pcp"]')));
    const [mapping] = (await mappingOf(daemon, 'mapped')).mappings;
    assert.match(mapping?.endpoint ?? '', new RegExp(`^${router.publicAddress.replaceAll('.', '\\.')}:`));
    const port = mapping?.endpoint.split(':')[1];
    assert.match(await router.rules(), new RegExp(`dport ${port} dnat.*:${one.plan.listenPort}\\b`));
    assert.equal(passedOver().length, 2, 'each once');
    assert.equal(liar.process.stdout.includes('asked for'), false, 'its description was never asked for');
    await two.startDaemon();
    await expectTunnel(one, two);
  },
);

labTest(
  'F50 NAT-PMP has nothing that tells a forged answer, yet an address that STUN does not see is told to nobody',
  BESIDE,
  async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    const router = await startRouter(lab, one);
    const liar = await startLiar(lab.host('c'), one, { forged: 'nat-pmp' });
    await router.silence();
    const daemon = await one.startDaemon({ device: { port_mapping: ['nat-pmp'] } });
    assert.equal((await mappingOf(daemon, 'failed')).error?.code, 'ERR_PORTMAP_DOUBLE_NAT');
    const device = await daemon.device();
    assert.deepEqual(
      device.candidates?.filter(({ type }) => type === 'mapped'),
      [],
    );
    const plain = await told(lab, one, two);
    assert.ok(!plain.includes(liar.address), plain);
  },
);

labTest(
  'a router that speaks NAT-PMP alone and refuses the version of PCP: NAT-PMP maps the port, and the peer comes in by it',
  { sides: { a: { nats: ['symmetric'] }, b: { nats: ['symmetric'] } }, coturn: [1, 2] },
  async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    const router = await startRouter(lab, one, { natPmpAlone: true });
    const [daemon] = await Promise.all([one.startDaemon({ device: { port_mapping: 'auto' } }), two.startDaemon()]);
    const [mapping] = (await mappingOf(daemon, 'mapped')).mappings;
    assert.equal(mapping?.protocol, 'nat-pmp');
    await expectTunnel(one, two);
    daemon.process.signal('SIGTERM');
    await daemon.process.exited;
    assert.doesNotMatch(await router.rules(), /dnat/);
  },
);

labTest(
  'F59 --oneshot leaves the mapping for its lease, since the tunnel runs on; the next run has the same one',
  { sides: { a: { nats: ['symmetric'] }, b: { nats: ['symmetric'] } }, coturn: [1, 2] },
  async (lab) => {
    const [one, two] = [lab.host('a'), lab.host('b')];
    const router = await startRouter(lab, one);
    const device = { port_mapping: ['pcp'] };
    const once = await one.startDaemon({ device, args: ['--oneshot', '--timeout', '40s'] });
    await two.startDaemon();
    assert.equal((await once.process.exited).code, 0);
    const [rule] = /dport \d+ dnat/.exec(await router.rules()) ?? assert.fail('the mapping is gone');
    // Nobody but the mapping lets the peer in now.
    await must(router.namespace, ['conntrack', '-F']);
    assert.ok((await two.firstPing(one, { deadlineMs: 20_000 })) !== undefined);
    const daemon = await one.startDaemon({ device });
    await mappingOf(daemon, 'mapped');
    assert.deepEqual((await router.rules()).match(/dport \d+ dnat/g), [rule]);
  },
);
