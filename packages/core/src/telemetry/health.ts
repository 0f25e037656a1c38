/** What /healthz says: whether this daemon does its part on this host. */
import type { Page } from './http-pages.js';
import type { Readings } from './readings.js';

/** Why the daemon is not well, a line each; empty: it is. Well is: every configured device is taken up, there, and can be read.
 * Peers and servers out there do not count, for a restart here mends nothing there: metrics tell of them. */
export function healthReasons({ configured, devices }: Readings): readonly string[] {
  return configured.flatMap((name) => {
    const device = devices.find((candidate) => candidate.name === name);
    if (!device) return [`${name}: not taken up; the log says why, and a reload or restart tries again`];
    const fault = device.errors.find(({ of }) => of === 'device');
    if (fault) return [`${name}: ${fault.message} [${fault.code}]`];
    return device.state === 'up' ? [] : [`${name}: not read yet`];
  });
}

export function healthPage(readings: Readings): Page {
  const reasons = healthReasons(readings);
  const body = reasons.length === 0 ? 'ok\n' : reasons.map((reason) => `${reason.replace(/\s+/g, ' ')}\n`).join('');
  return { status: reasons.length === 0 ? 200 : 503, type: 'text/plain; charset=utf-8', body };
}
