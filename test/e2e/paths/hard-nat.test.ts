/** A symmetric NAT and a port-restricted one: a search finds a way, within its budget, and a diversion keeps it open. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Host, type Lab, must, REPOSITORY, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { metAfter, slotOf, startBoth, startSide, watchEntries } from './steps/hard-pair.js';

const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');
const NEW_FLOWS = join(REPOSITORY, 'test/fixtures/paths/new-flows.mjs');
const SERIES_MS = 52_000;
/** One of sixty series of random ports misses: its second begins five minutes later. */
const TWO_SERIES_MS = 420_000;
const OTHER_PORT = 40_123;
const KEEPALIVE = { wireguard: { keepaliveSeconds: 5 } } as const;

async function rules(host: Host): Promise<string> {
  return (await host.exec(['nft', 'list', 'ruleset'])).stdout;
}

/** A small router: no new flow has a place beside 4,096 others. */
async function smallTable(host: Host): Promise<void> {
  const chain = `chain through { type filter hook forward priority -5; policy accept;
    iifname "lan" ct state new ct count over 4096 drop\n}`;
  await must(host.plan.routers[0]?.namespace, ['nft', '-f', '-'], { input: `table inet small {\n${chain}\n}\n` });
}

/** What becomes of new flows of a host, ten a second, until the end: a word each. */
function newFlows(lab: Lab, host: Host): { readonly words: () => readonly string[] } {
  const flows = lab.spawn(host.namespace, [process.execPath, NEW_FLOWS, '203.0.113.4', '3478', '10']);
  return { words: () => flows.stdout.split('\n').filter((word) => word !== '') };
}

const all = (host: Host, other: Host, count: number) =>
  host.pingBurst(other, count, 0.02).then((burst) => assert.deepEqual(burst, { sent: count, received: count }));

/** Killed: the tunnel goes on, and the next start takes the rule over. */
async function killedAndBack(h: Host, e: Host): Promise<void> {
  await h.daemons.at(-1)?.kill();
  await all(h, e, 100);
  await startSide(h, e, 'full');
  const again = h.daemons.at(-1) ?? assert.fail('no daemon');
  await again.waitForPhase(e.name, ['connected']);
  // Taken over, or the first reading of the device would have taken it out.
  const taken = await again.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.diverted, { what: 'the diversion' });
  assert.equal(taken.endpoint, `${e.publicAddress}:51820`);
  assert.match(await rules(h), /udp sport 51820 .*udp sport set/);
  await all(h, e, 100);
}

/** WireGuard listens on another port: the diversion follows, and the peer sees nothing of it. */
async function otherPort(h: Host, e: Host): Promise<void> {
  const source = /udp sport set (\d+)/.exec(await rules(h))?.[1];
  await must(h.namespace, ['wg', 'set', h.device, 'listen-port', String(OTHER_PORT)]);
  await until(async () => (await rules(h)).includes(`udp sport ${OTHER_PORT} `), {
    what: 'the diversion to follow the port',
  });
  assert.equal(/udp sport set (\d+)/.exec(await rules(h))?.[1], source);
  assert.doesNotMatch(await rules(h), /udp sport 51820 udp dport \d+ udp sport set/);
  assert.ok((await h.firstPing(e)) !== undefined, 'no ping by the other port');
  await all(h, e, 100);
}

labTest(
  'F60 symmetric with random ports and port-restricted: a search within its budget, and a diversion that outlives the daemon',
  {
    sides: {
      h: { nats: ['symmetric'], ...KEEPALIVE },
      e: { nats: ['port-restricted'], ...KEEPALIVE },
      hacc: { nats: ['block'], accepts: true, ...KEEPALIVE },
      eacc: { nats: ['accept'], ...KEEPALIVE },
      beside: { beside: 'e', wireguard: false },
    },
    routed: true,
    coturn: [1, 2, 3, 4],
    slotInSeconds: 40,
  },
  async (lab) => {
    const pair = { h: lab.host('h'), e: lab.host('e') };
    const accepting = { h: lab.host('hacc'), e: lab.host('eacc') };
    const { h, e } = pair;
    await smallTable(e);
    const flows = newFlows(lab, lab.host('beside'));
    const most = { h: watchEntries(lab, h), e: watchEntries(lab, e) };
    const [slotAt, acceptingSlotAt] = [slotOf(pair, 300), slotOf(accepting, 300)];
    await Promise.all([startBoth(pair, 'full'), startBoth(accepting, 'predicted')]);
    const met = await Promise.all([
      metAfter(pair, slotAt, TWO_SERIES_MS),
      metAfter(accepting, acceptingSlotAt, SERIES_MS).then((ms) => `accepting ${ms}`),
    ]);
    assert.ok(
      met.every((ms) => !String(ms).includes('Infinity')),
      `${met}; ${JSON.stringify(await h.daemons[0]?.status())}`,
    );
    await all(accepting.h, accepting.e, 100);
    assert.ok((await e.firstPing(h)) !== undefined, 'no ping of the other side');
    assert.ok(most.e.most > 0 && most.e.most <= 1_100, `${most.e.most} entries at E's router`);
    assert.ok(most.h.most <= 300, `${most.h.most} entries at H's router`);
    const words = flows.words();
    assert.ok(words.length > 100 && words.every((word) => word === 'ok'), `flows beside: ${words.length}, ${words}`);
    await all(h, e, 100);
    assert.match(await rules(h), /udp sport set/);
    assert.doesNotMatch(await rules(e), /udp sport set/);

    await killedAndBack(h, e);
    await otherPort(h, e);

    // The budget is remembered, and nothing is left after a stop and cleanup.
    const ledger: unknown = JSON.parse(await readFile(join(e.stateDir, 'search.json'), 'utf8'));
    assert.equal((ledger as { version: number }).version, 1);
    await h.daemons.at(-1)?.stop();
    await h.exec([process.execPath, MAIN, 'cleanup']);
    await until(async () => !(await rules(h)).includes('stunmesh'), { what: 'no rule left' });
  },
  600_000,
);
