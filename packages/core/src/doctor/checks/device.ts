/** Is each configured device there, with a port and a key? */

import type { InterfaceConfig } from '../../config/index.js';
import { count, formatMark } from '../../runtime/terminal-text.js';
import { wordsOf } from '../../wireguard/platform.js';
import { attempt, type DoctorContext } from '../context.js';
import { type Check, type Finding, fromError } from '../finding.js';

const check = 'device';

export const deviceCheck: Check<DoctorContext> = {
  name: check,
  run: (context) => Promise.all(context.interfaces.map((entry) => look(context, entry))),
};

async function look(context: DoctorContext, entry: InterfaceConfig): Promise<Finding> {
  const { name } = entry;
  const { value: device, error } = await attempt(context.device(name));
  if (!device) {
    const { text, ...rest } = fromError(error);
    // The subject names it already.
    return { check, subject: name, verdict: 'fault', text: text.replace(`WireGuard device "${name}": `, ''), ...rest };
  }
  const { listenPort, firewallMark, peers } = device;
  const details = { listenPort, firewallMark, peers: peers.size };
  if (listenPort === 0)
    return {
      check,
      subject: name,
      verdict: 'fault',
      text: 'the device listens on no port: it is down, or was never given one',
      remedy: `bring it up (${wordsOf(context.parts.system.platform).linkUp(name)}), or give it a ListenPort.`,
      code: 'ERR_WG_FAILED',
      details,
    };
  // Without interfaces to look at it is taken as up, as the daemon does.
  const interfaces = await context
    .underlay(entry)
    .then((underlay) => underlay.interfaces())
    .catch(() => []);
  const own = interfaces.find((one) => one.name === device.realName);
  if (interfaces.length > 0 && !own)
    return {
      check,
      subject: name,
      verdict: [...entry.peers.values()].some(({ ping }) => ping.enabled) ? 'fault' : 'warning',
      text: `the device is in another network namespace: its control socket answers, but no packet, and no ping, can be sent into the tunnel from here`,
      remedy: 'run stunmesh in the namespace that has the device (`ip netns exec NAME stunmesh`).',
      code: 'ERR_CAPTURE_OPEN',
      details,
    };
  if (own?.up === false)
    return {
      check,
      subject: name,
      verdict: 'fault',
      text: 'the device is down: nothing is published for it',
      remedy: `bring it up (${wordsOf(context.parts.system.platform).linkUp(name)}).`,
      code: 'ERR_WG_DEVICE_DOWN',
      details,
    };
  const mark = firewallMark === 0 ? 'no firewall mark' : `firewall mark ${formatMark(firewallMark)}`;
  const text = `port ${listenPort}, ${mark}, ${count(peers.size, 'peer')}, public key ${device.publicKey}`;
  return { check, subject: name, verdict: 'ok', text, details };
}
