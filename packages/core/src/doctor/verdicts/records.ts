/** What a peer's records in the stores are worth; pure. */
import type { PublicKey } from '../../api/index.js';
import { formatEndpoint } from '../../net/index.js';
import { formatAge, list } from '../../runtime/terminal-text.js';
import type { PeerRecords, RecordSeen } from '../context.js';
import { type Finding, fromError, remedyOf } from '../finding.js';

export type Judgement = Pick<Finding, 'verdict' | 'text' | 'remedy' | 'code' | 'details'>;

/** Daemons write their record every hour at least; twice that is no accident. */
const STALE_MS = 2 * 3_600_000;
const FUTURE_MS = 3_600_000;
/** Begins what keeps a peer from being found at all. */
const NEEDS = 'needs the other side: ';

export interface RecordContext {
  readonly ownKey: PublicKey;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** A tunnel that works needs no record. */
  readonly connected: boolean;
}

export function judgeRecords({ theirs }: PeerRecords, context: RecordContext): readonly Judgement[] {
  const useful = theirs.filter(({ record, error }) => record && !error);
  const newest = useful.toSorted((a, b) => (b.record?.t ?? 0) - (a.record?.t ?? 0))[0];
  const bad = theirs.flatMap(({ store, error }) =>
    error ? [broken(store, error, { ...context, harmless: context.connected || newest !== undefined })] : [],
  );
  if (newest?.record) return [good(newest, context), ...bad];
  const empty = theirs.filter(({ record, error }) => !record && !error).map(({ store }) => `"${store}"`);
  if (empty.length === 0) return bad;
  return [
    {
      verdict: context.connected ? 'note' : 'fault',
      text: `${context.connected ? '' : NEEDS}there is no record of it in the store ${list(empty)}`,
      remedy: startThere(context.ownKey),
    },
    ...bad,
  ];
}

function startThere(ownKey: PublicKey): string {
  return `start stunmesh there, with this store, and with this host as a peer under its public key ${ownKey}.`;
}

function good({ store, record }: RecordSeen, { now, connected }: RecordContext): Judgement {
  const endpoints = [record?.ipv4, record?.ipv6].flatMap((endpoint) => (endpoint ? [formatEndpoint(endpoint)] : []));
  const details = { store, t: record?.t };
  if (endpoints.length === 0)
    return {
      verdict: connected ? 'note' : 'fault',
      text: `${connected ? '' : NEEDS}its record in "${store}" names no address`,
      remedy: 'run `stunmesh doctor` there: its STUN servers do not tell where it is.',
      details,
    };
  const names = `names ${list(endpoints)}`;
  if (record && record.problems.length > 0)
    return {
      verdict: 'warning',
      text: `its record in "${store}" opens and ${names}, but ${record.problems.join('; ')}`,
      remedy: remedyOf('ERR_RECORD_ENDPOINT'),
      code: 'ERR_RECORD_ENDPOINT',
      details,
    };
  if (record?.t === undefined)
    return {
      verdict: 'ok',
      text: `its record in "${store}" opens, ${names}, and has no date (an older writer's)`,
      details,
    };
  const age = now - record.t * 1000;
  if (age < -FUTURE_MS)
    return {
      verdict: 'warning',
      text: `its record in "${store}" opens, ${names}, and is dated ${formatAge(-age)} in the future`,
      remedy: 'compare `date -u` on both hosts, and set the clock that is wrong (`timedatectl set-ntp true`).',
      details,
    };
  const text = `its record in "${store}" is ${formatAge(age)} old, opens, and ${names}`;
  if (age <= STALE_MS) return { verdict: 'ok', text, details };
  return {
    verdict: 'warning',
    text: `${text}; a running stunmesh writes it every hour: it does not run there, or cannot write, or its clock is behind by that much`,
    remedy: `${connected ? 'the tunnel stands nevertheless; ' : ''}look at \`stunmesh status\`, \`stunmesh doctor\` and \`date -u\` there.`,
    details,
  };
}

/** A store that does not answer has a finding of its own, which says why. */
function broken(
  store: string,
  error: unknown,
  { harmless, ownKey }: RecordContext & { readonly harmless: boolean },
): Judgement {
  const { text, ...rest } = fromError(error);
  if (/^ERR_(RECORD|KEY)_/.test(rest.code ?? ''))
    return {
      verdict: harmless ? 'warning' : 'fault',
      text: `${harmless ? '' : NEEDS}its record in "${store}" is of no use: ${text}`,
      ...rest,
    };
  if (rest.code === 'ERR_EXEC_FAILED')
    return {
      verdict: harmless ? 'note' : 'fault',
      text: `${harmless ? '' : NEEDS}the plugin of the store "${store}" found no record of it, or failed (by protocol 0 it cannot tell which)`,
      code: rest.code,
      remedy: startThere(ownKey),
    };
  return {
    verdict: harmless ? 'note' : 'warning',
    text: `its record could not be read: the store "${store}" failed`,
    ...rest,
  };
}
