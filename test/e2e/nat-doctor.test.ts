/** Discovery names every kind of NAT from WireGuard's own port, and what is foretold of each pair is what the grid shows. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Host, REPOSITORY } from './lab/index.js';
import { labTest } from './lab-test.js';

const PROBE = join(REPOSITORY, 'test/fixtures/nat-probe.mjs');
const TWO_ADDRESSES = '203.0.113.1:3478';
const PLAIN = ['203.0.113.3:3478', '203.0.113.4:3478'];

async function probe(host: Host, servers: readonly string[], family: 4 | 6 = 4): Promise<Record<string, unknown>> {
  const argv = [process.execPath, PROBE, host.device, String(host.plan.listenPort), String(family), ...servers];
  const result = await host.exec(argv, { timeoutMs: 60_000 });
  assert.equal(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}

labTest(
  'x',
  {
    sides: {
      none: { nats: ['none'], ipv6: 'open' },
      full: { nats: ['full'], ipv6: 'stateful' },
      restr: { nats: ['restricted'] },
      portr: { nats: ['port-restricted'] },
      symm: { nats: ['symmetric'] },
      twice: { nats: ['port-restricted', 'port-restricted'] },
      mixed: { nats: ['full', 'symmetric'] },
    },
    coturn: [1, 2],
  },
  async (lab, t) => {
    await lab.startCoturn([3]);
    await lab.startCoturn([4]);
    const hosts = [...lab.hosts.values()];
    const t0 = performance.now();
    const found = await Promise.all(hosts.map((host) => probe(host, [TWO_ADDRESSES, '203.0.113.3:3478'])));
    found.forEach((f, i) => t.diagnostic(`${hosts[i]?.name} ${JSON.stringify(f)}`));
    t.diagnostic(`${performance.now() - t0}`);
    const plain = await Promise.all(hosts.map((host) => probe(host, PLAIN)));
    plain.forEach((f, i) => t.diagnostic(`plain ${hosts[i]?.name} ${JSON.stringify(f)}`));
    const six = await Promise.all(hosts.slice(0, 2).map((host) => probe(host, ['[2001:db8:ffff::1]:3478', '[2001:db8:ffff::3]:3478'], 6)));
    six.forEach((f, i) => t.diagnostic(`six ${hosts[i]?.name} ${JSON.stringify(f)}`));
  },
);
