/** What records tell of a real host: addresses of its links and advertised ones, and nothing of what lies inside it. */
import assert from 'node:assert/strict';
import { daemonConfig } from '../lab/daemon-config.js';
import type { Host, Lab } from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { expectTunnel } from '../lab/steps/pair.js';

async function addLink(host: Host, name: string, address: string): Promise<void> {
  const inner = `i${name.slice(0, 13)}`;
  for (const words of [
    ['link', 'add', name, 'type', 'veth', 'peer', 'name', inner],
    ['address', 'add', address, 'dev', name],
    ['link', 'set', name, 'up'],
    ['link', 'set', inner, 'up'],
  ])
    assert.equal((await host.exec(['ip', ...words])).code, 0, words.join(' '));
}

/** Starts its daemon with these keys of its interface. */
async function start(lab: Lab, host: Host, keys: Readonly<Record<string, unknown>>) {
  const config = daemonConfig(host, lab, {});
  const interfaces = config['interfaces'] as Record<string, Record<string, unknown>>;
  return host.startDaemon({
    config: { ...config, interfaces: { [host.device]: { ...interfaces[host.device], ...keys } } },
  });
}

labTest(
  'LAN and advertised addresses are told; containers, tunnels and links that are down are not',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab) => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await addLink(a, 'docker0', '172.17.0.1/16');
    await addLink(a, 'br-0123456789ab', '172.18.0.1/16');
    await addLink(a, 'eth9', '10.77.0.1/24');
    await addLink(a, 'eth8', '10.78.0.1/24');
    await a.exec(['ip', 'link', 'set', 'eth8', 'down']);
    await start(lab, a, { advertise: ['198.51.100.200:443'] });
    await start(lab, b, { lan: false });
    await expectTunnel(a, b);
    const told = async (host: Host) =>
      (await host.daemons[0]?.device())?.candidates?.map(({ type, endpoint }) => `${type} ${endpoint}`);
    assert.deepEqual(await told(a), [
      `reflexive ${a.publicAddress}:51820`,
      `host ${a.plan.hostAddress}:51820`,
      'host 10.77.0.1:51820',
      'configured 198.51.100.200:443',
    ]);
    assert.deepEqual(await told(b), [`reflexive ${b.publicAddress}:51820`]);
    assert.deepEqual((await a.daemons[0]?.peer('b'))?.published?.omitted, []);
  },
);
