/** Is there a way to talk to WireGuard: the kernel itself or wg(8) with a kernel module, or a userspace socket? */
import { hasCode } from '../../api/index.js';
import { list } from '../../runtime/terminal-text.js';
import { attempt, type DoctorContext } from '../context.js';
import { type Check, type Finding, remedyOf } from '../finding.js';

const check = 'wireguard';

export const wireguardCheck: Check<DoctorContext> = {
  name: check,
  async run(context) {
    const { system, control, signal } = context.parts;
    const [wg, kernel, sockets, here, direct] = await Promise.all([
      system.program('wg'),
      system.kernelModule(),
      system.userspaceDevices(),
      attempt(control.devices({ signal })),
      attempt(directWay(context)),
    ]);
    const wanted = context.interfaces.map(({ name }) => name);
    const userspace = wanted.filter((name) => sockets.includes(name));
    const noneOfKernel = wanted.length > 0 && userspace.length === wanted.length;
    return [way(direct.value) ?? tool(wg, here.error, noneOfKernel), ...implementation()];

    function implementation(): Finding[] {
      if (kernel === 'loaded') return [{ check, verdict: 'ok', text: 'the kernel has WireGuard' }];
      if (userspace.length > 0)
        return [{ check, verdict: 'ok', text: `${list(userspace)}: userspace WireGuard with a control socket` }];
      if ((here.value?.length ?? 0) > 0)
        return [{ check, verdict: 'ok', text: `WireGuard serves ${list(here.value ?? [])}` }];
      if (kernel === 'available')
        return [{ check, verdict: 'note', text: 'the kernel module is there and not loaded: no device uses it yet' }];
      // Where nothing tells what the kernel has (BSD, macOS), an empty list of devices proves nothing.
      if (kernel === undefined && here.error === undefined)
        return [{ check, verdict: 'note', text: 'there is no WireGuard device yet' }];
      return [
        {
          check,
          verdict: 'fault',
          text: 'neither a kernel module nor a userspace WireGuard is there',
          remedy: 'install WireGuard for this kernel, or wireguard-go, and bring the device up.',
          code: 'ERR_WG_DEVICE_NOT_FOUND',
        },
      ];
    }
  },
};

/** How the capture module speaks to the kernel's WireGuard; undefined: it leaves that to wg(8). */
async function directWay(context: DoctorContext): Promise<string | undefined> {
  const { wireguard } = await context.capture();
  await wireguard?.list({ signal: context.parts.signal });
  return wireguard?.way;
}

function way(direct: string | undefined): Finding | undefined {
  return direct === undefined
    ? undefined
    : { check, verdict: 'ok', text: `devices of the kernel are controlled by ${direct}, without wg(8)` };
}

function tool(path: string | undefined, error: unknown, notNeeded: boolean): Finding {
  if (path !== undefined) return { check, verdict: 'ok', text: `wg(8) is ${path}` };
  return {
    check,
    verdict: notNeeded && !hasCode(error, 'ERR_WG_NOT_FOUND') ? 'warning' : 'fault',
    text: notNeeded
      ? 'the command wg is not in PATH: devices with a userspace socket work, those of the kernel do not'
      : 'the command wg is not in PATH',
    remedy: remedyOf('ERR_WG_NOT_FOUND'),
    code: 'ERR_WG_NOT_FOUND',
  };
}
