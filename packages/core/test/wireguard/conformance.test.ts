import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { type WireGuardSubject, wireGuardCases } from '#src/conformance/index.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createFakeWireGuard } from '#src/testing/index.js';
import { createControl } from '#src/wireguard/control.js';
import { createUapiBackend } from '#src/wireguard/uapi.js';
import { createWgToolBackend } from '#src/wireguard/wg-tool.js';
import { kernelMissing, type Lab, type LabDevice, labMissing, openLab } from './lab.js';

const clock = createSystemClock();
const byTool = (command: string) => createControl({ backend: createWgToolBackend({ clock, command }), clock });
const bySocket = () => createControl({ backend: createUapiBackend({ clock, dir: '/var/run/wireguard' }), clock });

const CONTROLS = [
  { name: 'wg(8), wireguard-go', letter: 'a', open: () => byTool('wg'), skip: labMissing() },
  { name: 'userspace socket', letter: 'b', open: bySocket, skip: labMissing() },
  // The kernel's own devices, where it has them; the file runs as it is in a virtual machine with such a kernel.
  ...(kernelMissing() ? [] : [{ name: 'wg(8), kernel', letter: 'c', open: byTool, skip: undefined }]),
];

for (const { name, letter, open, skip } of CONTROLS) {
  suite(`WireGuard control by ${name}`, { skip: skip ?? false }, () => {
    let lab: Lab;
    let device: LabDevice;
    let inside = '';
    before(async () => {
      lab = await openLab();
      device = await lab.openDevice(letter, { firewallMark: 0xca6c, routed: true, kernel: name.includes('kernel') });
      // A kernel device is seen only from its own namespace.
      inside = join(lab.folder, 'wg');
      await writeFile(inside, `#!/bin/sh\nexec ip netns exec ${lab.namespace} wg "$@"\n`, { mode: 0o755 });
    });
    after(() => lab?.[Symbol.asyncDispose]());
    const setup = async (): Promise<WireGuardSubject> => ({
      control: open(inside),
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
