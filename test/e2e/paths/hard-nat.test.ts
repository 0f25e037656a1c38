/** A symmetric NAT and a port-restricted one: a search finds a way, within its budget, and a diversion keeps it open. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Host, type Lab, must, REPOSITORY, until } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';

const MAIN = join(REPOSITORY, 'packages/core/dist/cli/main.js');
/** One series, and what comes before its slot. */
const LIMIT_MS = 100_000;

function interfaces(host: Host, lab: Lab, mode: string): Record<string, unknown> {
  const peers = Object.fromEntries(
    [...lab.hosts.values()]
      .filter((other) => other !== host)
      .map((other) => [other.name, { public_key: other.keys.publicKey, plugin: 'folder' }]),
  );
  return { interfaces: { [host.device]: { protocol: 'ipv4', hard_nat: mode, peers } } };
}

/** Entries of the router's table, those of its own traffic to servers included. */
async function entries(lab: Lab, host: Host): Promise<number> {
  const router = lab.plans.find(({ name }) => name === host.name)?.routers[0];
  return Number(await must(router?.namespace, ['conntrack', '-C']));
}

async function rules(host: Host): Promise<string> {
  return (await host.exec(['nft', 'list', 'ruleset'])).stdout;
}

labTest(
  'F60 symmetric with random ports and port-restricted: a search within its budget, and a diversion that outlives the daemon',
  {
    sides: {
      h: { nats: ['symmetric'], wireguard: { keepaliveSeconds: 5 } },
      e: { nats: ['port-restricted'], wireguard: { keepaliveSeconds: 5 } },
    },
    coturn: [1, 2, 3],
    slotInSeconds: 40,
  },
  async (lab) => {
    const [h, e] = [lab.host('h'), lab.host('e')];
    const stun = [1, 2, 3].map((n) => `203.0.113.${n}:3478`);
    for (const host of [h, e]) await host.startDaemon({ stun, extra: interfaces(host, lab, 'full') });
    const pings = await Promise.all([
      h.firstPing(e, { deadlineMs: LIMIT_MS }),
      e.firstPing(h, { deadlineMs: LIMIT_MS }),
    ]);
    assert.ok(
      pings.every((ping) => ping !== undefined),
      `pings ${pings.join(', ')}; ${JSON.stringify(await h.daemons[0]?.status())}`,
    );
    assert.ok((await entries(lab, e)) <= 1_100, `${await entries(lab, e)} entries at E's router`);
    assert.ok((await entries(lab, h)) <= 300, `${await entries(lab, h)} entries at H's router`);
    assert.deepEqual(await h.pingBurst(e, 100, 0.02), { sent: 100, received: 100 });
    assert.match(await rules(h), /udp sport set/);
    assert.doesNotMatch(await rules(e), /udp sport set/);

    // Killed: the tunnel goes on, and the next start takes the rule over.
    const [first] = h.daemons;
    await first?.kill();
    assert.deepEqual(await h.pingBurst(e, 20, 0.02), { sent: 20, received: 20 });
    const again = await h.startDaemon({ stun, extra: interfaces(h, lab, 'full') });
    await again.waitForPhase('e', ['connected']);
    // Taken over, or the first reading of the device would have taken it out.
    const taken = await again.waitFor((snapshot) => snapshot.devices[0]?.peers[0]?.diverted, { what: 'the diversion' });
    assert.equal(taken.endpoint, `${e.publicAddress}:51820`);
    assert.match(await rules(h), /udp sport set/);
    assert.deepEqual(await h.pingBurst(e, 20, 0.02), { sent: 20, received: 20 });

    // The budget is remembered, and nothing is left after a stop and cleanup.
    const ledger: unknown = JSON.parse(await readFile(join(e.stateDir, 'search.json'), 'utf8'));
    assert.equal((ledger as { version: number }).version, 1);
    await again.stop();
    await h.exec([process.execPath, MAIN, 'cleanup']);
    await until(async () => !(await rules(h)).includes('udp sport set'), { what: 'no rule left' });
  },
);
