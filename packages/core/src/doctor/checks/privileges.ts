/** May this process open raw sockets and control WireGuard? */

import { list } from '../../runtime/terminal-text.js';
import type { DoctorContext } from '../context.js';
import { type Check, remedyOf } from '../finding.js';
import type { Capability } from '../system.js';

const check = 'privileges';
const NEEDED: readonly Capability[] = ['CAP_NET_RAW', 'CAP_NET_ADMIN'];

export const privilegesCheck: Check<DoctorContext> = {
  name: check,
  async run({ parts }) {
    const { userId } = parts.system;
    const held = await parts.system.capabilities();
    const missing = NEEDED.filter((name) => (held ? !held.has(name) : userId !== undefined && userId !== 0));
    const who = userId === 0 ? 'root' : `user ${userId ?? '?'}`;
    if (missing.length === 0) {
      const text = userId === 0 ? 'root, with all that is needed' : `${who}, with ${list(NEEDED)}`;
      return [{ check, verdict: 'ok', text }];
    }
    const raw = missing.includes('CAP_NET_RAW');
    return [
      {
        check,
        verdict: 'fault',
        text: held ? `${who}, without ${list(missing)}` : `${who}, which is not root`,
        remedy: remedyOf(raw ? 'ERR_CAPTURE_PERMISSION' : 'ERR_WG_PERMISSION'),
        code: raw ? 'ERR_CAPTURE_PERMISSION' : 'ERR_WG_PERMISSION',
      },
    ];
  },
};
