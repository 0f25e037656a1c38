/** What a running daemon holds against a peer, beside what was found here; pure. */
import type { PeerSnapshot } from '../../control/snapshot.js';
import { remedyOf } from '../finding.js';
import type { Judgement } from './records.js';

/** With these a tunnel that counts as connected is none that can be relied on. */
const GRAVE: ReadonlySet<string> = new Set(['ERR_TUNNEL_ONE_WAY', 'ERR_KEY_SHARED', 'ERR_KEY_CHANGED', 'ERR_LOCKED']);

/** undefined: nothing, or what was found here already. */
export function judgeFault(seen: PeerSnapshot | undefined, found: readonly Judgement[]): Judgement | undefined {
  const fault = seen?.lastError;
  // What it cannot write is said once, of the store.
  if (!fault || (seen.writeFault?.code === fault.code && seen.writeFault.at === fault.at)) return undefined;
  if (found.some(({ code }) => code === fault.code)) return undefined;
  return {
    verdict: GRAVE.has(fault.code) ? 'fault' : 'warning',
    text: `the daemon says: ${fault.message}`,
    remedy: remedyOf(fault.code, fault.errno),
    code: fault.code,
  };
}
