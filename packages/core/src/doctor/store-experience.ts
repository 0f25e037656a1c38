/** What a running daemon went through with a store: failures, and the share of a service's quota that it uses. */

import { formatAge } from '../runtime/terminal-text.js';
import type { DoctorContext } from './context.js';
import { type Finding, remedyOf } from './finding.js';

const check = 'store';
/** Percent of a quota from which on other programs of the account may suffer. */
const MOST_SHARE = 50;

/** At most one finding, by the first daemon that uses the store; none without a daemon. */
export async function experience(context: DoctorContext, name: string, subject: string): Promise<readonly Finding[]> {
  const lists = await Promise.all(context.interfaces.map((entry) => context.daemons(entry.name)));
  const now = context.parts.clock.wallNow();
  for (const { snapshot } of lists.flat()) {
    const seen = snapshot?.stores.find((candidate) => candidate.name === name);
    if (!snapshot || !seen) continue;
    const { gets, sets, failures, state, lastError, note } = seen;
    const upMs = Math.max(now - snapshot.startedAt, 1);
    const details = { gets, sets, failures, state };
    if (state === 'down' && lastError)
      return [
        {
          check,
          subject,
          verdict: 'warning',
          text: `the daemon gave it up for a while: ${lastError.message}`,
          remedy: remedyOf(lastError.code, lastError.errno),
          code: lastError.code,
          details,
        },
      ];
    const failed = failures === 0 ? '' : `, ${failures} failed`;
    const said = note === undefined ? '' : `; of the last one it says: ${note}`;
    const text = `the daemon made ${gets + sets} calls in ${formatAge(upMs)}${failed}${said}`;
    const quota = quotaOf(context, name);
    if (quota === undefined) return [{ check, subject, verdict: 'note', text, details }];
    const share = Math.round((100 * (gets + sets) * quota.perMs) / (Math.max(upMs, quota.perMs) * quota.calls));
    const close = share > MOST_SHARE;
    return [
      {
        check,
        subject,
        verdict: close ? 'warning' : 'note',
        text: `${text}: ${share} % of ${quota.words}`,
        ...(close ? { remedy: 'raise `refresh_interval`, or use another account for other programs.' } : {}),
        details: { ...details, quotaPercent: share },
      },
    ];
  }
  return [];
}

/** Here the store is well: where a daemon cannot write, it has other rights, folders or names than this command (F73). */
export async function writingOfDaemons(
  context: DoctorContext,
  name: string,
  subject: string,
): Promise<readonly Finding[]> {
  const lists = await Promise.all(context.interfaces.map((entry) => context.daemons(entry.name)));
  for (const { snapshot } of lists.flat())
    for (const { writeFault } of snapshot?.devices.flatMap(({ peers }) => peers) ?? []) {
      if (writeFault?.store !== name) continue;
      const though = context.parts.storeWrite ? ', though I can' : '';
      return [
        {
          check,
          subject,
          verdict: 'fault',
          text: `the daemon (process ${snapshot?.pid}) cannot write${though}: ${writeFault.message}`,
          remedy: `${remedyOf(writeFault.code, writeFault.errno)} The service may have other rights than this command: its user, or what its unit closes (of systemd ProtectSystem=, which \`ReadWritePaths=\` opens for a folder).`,
          code: writeFault.code,
        },
      ];
    }
  return [];
}

interface Quota {
  readonly calls: number;
  readonly perMs: number;
  readonly words: string;
}

/** Limits that a service publishes (F36). */
function quotaOf({ config }: DoctorContext, name: string): Quota | undefined {
  if (!/(^|-)cloudflare$/.test(config?.plugins.get(name)?.module ?? '')) return undefined;
  return { calls: 1_200, perMs: 300_000, words: 'the 1,200 in 5 minutes that Cloudflare allows an account' };
}
