import { after, before, suite, test } from 'node:test';
import { type WireGuardSubject, wireGuardCases } from '#src/conformance/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createFakeWireGuard } from '#src/testing/index.js';
import { createControl } from '#src/wireguard/control.js';
import { createUapiBackend } from '#src/wireguard/uapi.js';
import { createWgToolBackend } from '#src/wireguard/wg-tool.js';
import { type Lab, type LabDevice, labMissing, openLab } from './lab.js';

const clock = createSystemClock();
const skip = labMissing() ?? false;

const CONTROLS = {
  'wg(8)': () => createControl({ backend: createWgToolBackend({ clock }), clock }),
  'userspace socket': () => createControl({ backend: createUapiBackend({ clock, dir: '/var/run/wireguard' }), clock }),
};

for (const [name, open] of Object.entries(CONTROLS)) {
  suite(`WireGuard control by ${name}`, { skip }, () => {
    let lab: Lab;
    let device: LabDevice;
    before(async () => {
      lab = await openLab();
      device = await lab.openDevice(name === 'wg(8)' ? 'a' : 'b', { firewallMark: 0xca6c, routed: true });
    });
    after(() => lab?.[Symbol.asyncDispose]());
    const setup = async (): Promise<WireGuardSubject> => ({
      control: open(),
      device: device.name,
      facts: device,
      addPeers: device.addPeers,
      presharedKey: device.presharedKey,
      kick: async (address) => {
        await lab.exec('ping', '-c1', '-W0.01', address).catch(() => undefined);
      },
    });
    for (const { name: title, run } of wireGuardCases({ setup }))
      test(title, async (t) => {
        const outcome = await run();
        if (outcome) t.skip(outcome.skipped);
      });
  });
}

suite('fake WireGuard', () => {
  const fake = createFakeWireGuard();
  fake.addDevice({ name: 'wg0', listenPort: 4321, firewallMark: 7 });
  const setup = async (): Promise<WireGuardSubject> => ({
    control: fake,
    device: 'wg0',
    facts: await fake.device('wg0', { signal: new AbortController().signal }),
    async addPeers(peers) {
      for (const { presharedKey: _, ...peer } of peers) fake.addPeer('wg0', peer);
    },
    async kick(address) {
      const { peers } = await fake.device('wg0', { signal: new AbortController().signal });
      for (const { publicKey, allowedIps } of peers.values())
        if (allowedIps.includes(`${address}/32`)) fake.kick('wg0', publicKey);
    },
  });
  for (const { name, run } of wireGuardCases({ setup }))
    test(name, async (t) => {
      const outcome = await run();
      if (outcome) t.skip(outcome.skipped);
    });
});
