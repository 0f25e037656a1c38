/** miniupnpd as the router: what it grants, refuses, forgets and says of itself. */
import assert from 'node:assert/strict';
import { sleep } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { type Asker, type Mapped, openAsker } from './steps/asker.js';
import { startRouter } from './steps/router.js';

const PROTOCOLS = ['pcp', 'nat-pmp', 'upnp'] as const;
/** Inside ports, one for each protocol. */
const PORTS = { pcp: 51_821, 'nat-pmp': 51_822, upnp: 51_823 } as const;
/** An epoch has to be some seconds old before it can fall. */
const EPOCH_MS = 4_000;

/** On a busy machine the router may answer later than it is waited for; the daemon asks again, too. */
async function mapPatiently(asker: Asker, question: Parameters<Asker['map']>[0]): Promise<Mapped> {
  for (let again = 2; ; again -= 1) {
    const answer = await asker.map(question);
    if (again === 0 || !answer.failures?.every(({ kind }) => kind === 'silent')) return answer;
  }
}

labTest(
  'F53 F59 each protocol: mapped, lost by a restart, which the epoch tells, healed after a firewall that was reloaded, released',
  { sides: { a: { nats: ['symmetric'] } } },
  async (lab) => {
    const router = await startRouter(lab, lab.host('a'));
    await using asker = openAsker(lab.host('a'));
    await sleep(EPOCH_MS);
    const given = new Map<string, number>();
    for (const protocol of PROTOCOLS) {
      const mapped = await asker.map({ protocol, port: PORTS[protocol] });
      assert.equal(mapped.externalAddress, router.publicAddress, JSON.stringify(mapped));
      given.set(protocol, mapped.externalPort ?? 0);
      assert.match(await router.rules(), new RegExp(`dport ${mapped.externalPort} dnat.*:${PORTS[protocol]}\\b`));
      assert.equal(await asker.inquire(protocol), 'kept');
    }

    await router.restart();
    for (const protocol of PROTOCOLS) {
      assert.equal(await asker.inquire(protocol), 'lost', protocol);
      assert.equal((await asker.map({ protocol, port: PORTS[protocol] })).externalPort, given.get(protocol));
    }
    await router.reloadFirewall();
    assert.doesNotMatch(await router.rules(), /dnat/);
    assert.deepEqual(await Promise.all(PROTOCOLS.map((one) => asker.inquire(one))), ['kept', 'kept', 'kept']);
    for (const protocol of PROTOCOLS) await asker.map({ protocol, port: PORTS[protocol] });
    assert.equal((await router.rules()).match(/dnat/g)?.length, 3);
    for (const protocol of PROTOCOLS) assert.equal(await asker.release(protocol), true, protocol);
    assert.doesNotMatch(await router.rules(), /dnat/);
  },
);

labTest(
  'F50 F57 a router that refuses, one with another address, one that moved, one that is silent, one that does not speak PCP: the right words',
  { sides: { a: { nats: ['port-restricted'] } } },
  async (lab) => {
    const host = lab.host('a');
    const codes = async (protocols: readonly string[] = PROTOCOLS): Promise<readonly (string | undefined)[]> => {
      await using asker = openAsker(host);
      const answers = await Promise.all(protocols.map((protocol) => asker.map({ protocol, port: 51_820 })));
      return answers.map(({ code }) => code);
    };
    const refusing = await startRouter(lab, host, { rules: ['deny 0-65535 0.0.0.0/0 0-65535'] });
    // miniupnpd meets what its rules forbid with silence, and while it looks for another port it answers nobody.
    for (const code of await codes()) assert.match(code ?? 'granted', /^ERR_PORTMAP_(NONE|REFUSED)$/);
    await refusing.stop();

    const elsewhere = await startRouter(lab, host, { claims: '45.66.99.99' });
    assert.deepEqual(
      await codes(),
      PROTOCOLS.map(() => 'ERR_PORTMAP_DOUBLE_NAT'),
    );
    assert.doesNotMatch(await elsewhere.rules(), /dnat/);
    await elsewhere.stop();

    const moving = await startRouter(lab, host);
    const before = moving.publicAddress;
    const now = await moving.move();
    await using asker = openAsker(host);
    assert.equal(
      (await asker.map({ protocol: 'pcp', port: 51_820, reflexive: before })).code,
      'ERR_PORTMAP_DOUBLE_NAT',
    );
    assert.equal((await asker.map({ protocol: 'pcp', port: 51_820 })).externalAddress, now);
    await moving.stop();

    const old = await startRouter(lab, host, { pcp: false, version1: true });
    assert.deepEqual(await codes(), ['ERR_PORTMAP_NONE', 'ERR_PORTMAP_NONE', undefined]);
    await old.silence();
    assert.deepEqual(
      await codes(),
      PROTOCOLS.map(() => 'ERR_PORTMAP_NONE'),
    );
  },
);

labTest(
  'F50 a router whose own address is a carrier’s private one maps nothing, which is called a double NAT',
  { sides: { a: { nats: ['port-restricted', 'port-restricted'] } } },
  async (lab) => {
    const host = lab.host('a');
    const router = await startRouter(lab, host, { inner: true });
    await using asker = openAsker(host);
    for (const protocol of PROTOCOLS) {
      const answer = await asker.map({ protocol, port: PORTS[protocol] });
      assert.equal(answer.code, 'ERR_PORTMAP_DOUBLE_NAT', JSON.stringify(answer));
    }
    assert.doesNotMatch(await router.rules(), /dnat/);
  },
);

labTest(
  'F51 F56 a port that another host of the network has stays its own, and the next one is given',
  { sides: { a: { nats: ['port-restricted'] }, c: { beside: 'a' } } },
  async (lab) => {
    const [a, c] = [lab.host('a'), lab.host('c')];
    const router = await startRouter(lab, a);
    await using one = openAsker(a);
    await using other = openAsker(c);
    for (const protocol of PROTOCOLS) {
      const theirs = await mapPatiently(other, { protocol, port: PORTS[protocol], reflexive: router.publicAddress });
      const ours = await mapPatiently(one, { protocol, port: PORTS[protocol] });
      assert.ok(ours.externalPort !== undefined && ours.externalPort !== theirs.externalPort, JSON.stringify(ours));
      assert.equal(await other.inquire(protocol), 'kept');
      assert.match(await router.rules(), new RegExp(`dport ${theirs.externalPort} dnat.*${c.plan.hostAddress}`));
    }
  },
);
