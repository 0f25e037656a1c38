/** What each STUN server says of WireGuard's port: reachable, how fast, and whether they agree. */
import { hasCode } from '../../api/index.js';
import type { InterfaceConfig } from '../../config/index.js';
import type { NatBehaviour } from '../../nat/behaviour-types.js';
import { formatEndpoint } from '../../net/index.js';
import { count, formatMs } from '../../runtime/terminal-text.js';
import { isStandIn, parseServer } from '../../stun/servers.js';
import { summariseFailures } from '../../stun/verdict.js';
import { attempt, type DoctorContext, familiesOf } from '../context.js';
import { type Check, type Finding, fromError, remedyOf } from '../finding.js';

const check = 'stun';
/** A server that needs longer delays every discovery. */
const SLOW_MS = 1_000;
/** Failures of a host that has no address of that family at all. */
const NO_FAMILY = ['ERR_RESOLVE', 'ERR_STUN_ADDRESS', 'ERR_CAPTURE_UNREACHABLE'] as const;

export const stunCheck: Check<DoctorContext> = {
  name: check,
  run: async (context) => (await Promise.all(context.interfaces.map((entry) => look(context, entry)))).flat(),
};

async function look(context: DoctorContext, entry: InterfaceConfig): Promise<readonly Finding[]> {
  // The device's own check says what is wrong with it.
  if ((await attempt(context.device(entry.name))).error !== undefined) return [];
  const families = familiesOf(entry);
  const all = await Promise.all(families.map((family) => attempt(context.nat(entry, family))));
  const works = all.map(({ value }) => value?.mapped !== undefined);
  const useful = new Set(all.flatMap(({ value }) => value?.observations.map(({ server }) => server) ?? []));
  return families.flatMap((family, i) => {
    const { value, error } = all[i] ?? {};
    const subject = `${entry.name} IPv${family}`;
    if (value)
      return [
        ...judge(value, subject, { otherWorks: works.some(Boolean), useful }),
        ...unasked(value, subject, context.config?.stun.addresses ?? []),
      ];
    // Missing rights and a missing addon have findings of their own.
    if (hasCode(error, 'ERR_CAPTURE_PERMISSION') || hasCode(error, 'ERR_CAPTURE_ADDON')) return [];
    return [{ check, subject, verdict: 'fault' as const, ...fromError(error) }];
  });
}

interface Others {
  /** Another family of the interface works. */
  readonly otherWorks: boolean;
  /** Servers that answered by some family. */
  readonly useful: ReadonlySet<string>;
}

function judge(nat: NatBehaviour, subject: string, { otherWorks, useful }: Others): readonly Finding[] {
  const failed = [...nat.failures];
  if (nat.observations.length === 0) {
    const absent = failed.every(([, error]) => NO_FAMILY.some((code) => hasCode(error, code)));
    const summary = summariseFailures(nat.failures, nat.family);
    if (absent && otherWorks)
      return [
        {
          check,
          subject,
          verdict: 'note',
          text: `this host reaches no STUN server over IPv${nat.family}: the other family alone is published`,
        },
      ];
    return [{ check, subject, verdict: 'fault', ...fromError(summary) }];
  }
  const findings: Finding[] = nat.observations.map(({ server, address, mapped, rttMs }) => {
    const about = `${server} sees ${formatEndpoint(mapped)}, after ${formatMs(rttMs)}`;
    const details = { server, mapped: formatEndpoint(mapped), rttMs: Math.round(rttMs) };
    if (nat.outliers.includes(server))
      return {
        check,
        subject,
        verdict: 'fault',
        text: `${about}: that contradicts the other servers`,
        remedy: 'take it out of `stun.addresses`: peers would be sent to an address that is not ours.',
        code: 'ERR_STUN_DISAGREE',
        details,
      };
    const name = parseServer(server);
    if (name && isStandIn(name, address))
      return {
        check,
        subject,
        verdict: 'warning',
        text: `${about}; its name resolves to ${address.address}, a proxy's stand-in (fake-ip, 198.18.0.0/15): it may have seen the proxy`,
        remedy: remedyOf('ERR_STUN_STAND_IN'),
        code: 'ERR_STUN_STAND_IN',
        details,
      };
    if (rttMs > SLOW_MS)
      return {
        check,
        subject,
        verdict: 'warning',
        text: `${about}: slow`,
        remedy: 'put a nearer server into `stun.addresses`.',
        details,
      };
    return { check, subject, verdict: 'ok', text: about, details };
  });
  // A server that has no address of this family and serves the other one is as it should be.
  const missed = failed.filter(([server, error]) => !(hasCode(error, 'ERR_RESOLVE') && useful.has(server)));
  for (const [server, error] of missed)
    findings.push({ check, subject, verdict: 'warning', ...failure(server, error) });
  findings.push(...agreement(nat, subject));
  return findings;
}

function failure(server: string, error: unknown): Pick<Finding, 'text' | 'remedy' | 'code'> {
  const { text, ...rest } = fromError(error);
  return { text: text.includes(server) ? text : `${server}: ${text}`, ...rest };
}

function agreement(nat: NatBehaviour, subject: string): readonly Finding[] {
  const believed = nat.observations.filter(({ server }) => !nat.outliers.includes(server));
  const addresses = new Set(believed.map(({ mapped }) => mapped.address));
  if (addresses.size > 1)
    return [
      {
        check,
        subject,
        verdict: 'warning',
        text: 'the servers see different addresses of this host: one of them lies, or packets leave by several lines',
        remedy:
          'add a third server to `stun.addresses` and run doctor again: two that agree show the one that does not.',
        code: 'ERR_STUN_DISAGREE',
      },
    ];
  if (believed.length === 1 && nat.failures.size === 0 && nat.outliers.length === 0)
    return [
      {
        check,
        subject,
        verdict: 'note',
        text: 'one STUN server alone: nothing to compare it with, and nothing to fall back on',
        remedy: 'add a second one to `stun.addresses`.',
      },
    ];
  if (believed.length < 2) return [];
  return [
    { check, subject, verdict: 'ok', text: `${count(believed.length, 'server')} agree on ${[...addresses].join()}` },
  ];
}

/** Discovery asks a few at a time, and so does doctor. */
function unasked(nat: NatBehaviour, subject: string, servers: readonly string[]): readonly Finding[] {
  const left = servers.filter(
    (server) => !nat.failures.has(server) && !nat.observations.some((observation) => observation.server === server),
  );
  if (left.length === 0) return [];
  return [
    {
      check,
      subject,
      verdict: 'note',
      text: `${count(left.length, 'further server')} not asked: the first ones are enough`,
    },
  ];
}
