/** Is this host's clock right, as far as records and HTTP servers tell? */
import { saneClock } from '../../record/freshness.js';
import { formatAge, list } from '../../runtime/terminal-text.js';
import { attempt, type DoctorContext } from '../context.js';
import type { Check, Finding } from '../finding.js';

const check = 'clock';
const HOUR_MS = 3_600_000;
/** WireGuard and stunmesh bear that much; certificates too. */
const TOLERATED_MS = 300_000;
const CLOUDFLARE = 'https://api.cloudflare.com/client/v4';
const SET =
  'set the clock: `timedatectl set-ntp true`, chrony, or ntpd; WireGuard too refuses handshakes after it went backwards.';

export const clockCheck: Check<DoctorContext> = {
  name: check,
  async run(context) {
    const now = context.parts.clock.wallNow();
    if (!saneClock(now / 1000))
      return [
        { check, verdict: 'fault', text: `the clock says ${new Date(now).toISOString()}: it is not set`, remedy: SET },
      ];
    const [byHttp, byRecords] = await Promise.all([askServers(context, now), askRecords(context, now)]);
    const findings = [...byHttp, ...byRecords];
    if (findings.length > 0) return findings;
    return [
      {
        check,
        verdict: 'ok',
        text: `${new Date(now).toISOString().slice(0, 19)}Z: no record and no server contradicts it`,
      },
    ];
  },
};

/** The Date of each Cloudflare API that is configured, or of what stands in for it. */
async function askServers({ parts, config }: DoctorContext, now: number): Promise<readonly Finding[]> {
  const urls = new Set(
    [...(config?.plugins.values() ?? [])]
      .filter(({ type, module }) => type === 'builtin' && /(^|-)cloudflare$/.test(module ?? ''))
      .map(({ settings }) => (typeof settings['api'] === 'string' ? settings['api'] : CLOUDFLARE)),
  );
  const findings: Finding[] = [];
  for (const url of urls) {
    // A server that cannot be reached is a matter of the store's own check.
    const { value: at } = await attempt(parts.system.httpDate(url, parts.clock, parts.signal));
    if (at === undefined) continue;
    const ahead = now - at;
    const host = new URL(url).host;
    const details = { aheadMs: ahead, server: host };
    if (Math.abs(ahead) > TOLERATED_MS)
      findings.push({
        check,
        verdict: Math.abs(ahead) > HOUR_MS ? 'fault' : 'warning',
        text: `this host's clock is ${formatAge(Math.abs(ahead))} ${ahead > 0 ? 'ahead' : 'behind'}, by the Date of ${host}`,
        remedy: SET,
        details,
      });
    else findings.push({ check, verdict: 'ok', text: `right, by the Date of ${host}`, details });
  }
  return findings;
}

/** A record can be old; one from the future tells that one of two clocks is wrong. */
async function askRecords(context: DoctorContext, now: number): Promise<readonly Finding[]> {
  const seen: { readonly name: string; readonly aheadMs: number; readonly own: boolean }[] = [];
  for (const entry of context.interfaces) {
    for (const peer of entry.peers.keys()) {
      const { value } = await attempt(context.records(entry, peer));
      const newest = (some: readonly { readonly record?: { readonly t?: number } }[] | undefined) =>
        Math.max(...(some ?? []).map(({ record }) => record?.t ?? Number.NEGATIVE_INFINITY)) * 1000 - now;
      seen.push({ name: `${entry.name}/${peer}`, aheadMs: newest(value?.theirs), own: false });
      seen.push({ name: `${entry.name}/${peer}`, aheadMs: newest(value?.ours), own: true });
    }
  }
  const findings: Finding[] = [];
  const dated = seen.filter(({ own, aheadMs }) => !own && Number.isFinite(aheadMs));
  const future = dated.filter(({ aheadMs }) => aheadMs > HOUR_MS);
  const by = formatAge(Math.max(...future.map(({ aheadMs }) => aheadMs)));
  const names = list(future.map(({ name }) => name));
  if (future.length > 1 && future.length === dated.length)
    findings.push({
      check,
      verdict: 'fault',
      text: `the records of all peers are dated up to ${by} in the future: this host's clock is behind`,
      remedy: SET,
    });
  else if (future.length > 0)
    findings.push({
      check,
      verdict: 'warning',
      text: `the record of ${names} is dated ${by} in the future: its clock is ahead, or this host's is behind`,
      remedy: `compare \`date -u\` on both; ${SET}`,
    });
  const own = Math.max(...seen.filter((one) => one.own && Number.isFinite(one.aheadMs)).map(({ aheadMs }) => aheadMs));
  if (own > HOUR_MS)
    findings.push({
      check,
      verdict: 'warning',
      text: `our own record is dated ${formatAge(own)} in the future: this host's clock went backwards since, or was ahead then`,
      remedy: SET,
    });
  return findings;
}
