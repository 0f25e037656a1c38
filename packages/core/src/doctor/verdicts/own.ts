/** What our own record for a peer says, against what the STUN servers see now; pure. */
import type { Endpoint } from '../../api/index.js';
import type { NatBehaviour } from '../../nat/behaviour-types.js';
import { formatEndpoint } from '../../net/index.js';
import type { ParsedRecord } from '../../record/endpoint-record.js';
import { list } from '../../runtime/terminal-text.js';
import type { PeerRecords } from '../context.js';
import type { Judgement } from './records.js';

export interface OwnContext {
  readonly daemonRuns: boolean;
  readonly connected: boolean;
  readonly listenPort: number;
  /** What is known of the families that are published. */
  readonly nats: readonly NatBehaviour[];
}

/** At most one; undefined where all is well, or where nothing can be said. */
export function judgeOwn({ ours }: PeerRecords, context: OwnContext): Judgement | undefined {
  const { daemonRuns, connected } = context;
  const verdict = connected ? 'note' : 'warning';
  const found = ours.flatMap(({ record, error }) => (record && !error ? [record] : []));
  const readable = ours.filter(({ error }) => !error);
  const newest = found.toSorted((a, b) => (b.t ?? 0) - (a.t ?? 0))[0];
  if (!newest) {
    // Without a daemon it cannot be there, which has been said.
    if (!daemonRuns || readable.length === 0) return undefined;
    return {
      verdict,
      text: `our own record for it is not in the store ${list(readable.map(({ store }) => `"${store}"`))}, although a daemon runs`,
      remedy: 'look at `stunmesh status` and at the log of the daemon for why it does not publish.',
    };
  }
  const stale = context.nats.flatMap((nat) => differs(newest, nat, context.listenPort));
  if (stale.length === 0) return undefined;
  return {
    verdict,
    text: `our own record for it names ${list(stale.map(({ told }) => told))}, but we are at ${list(
      stale.map(({ seen }) => seen),
    )} now`,
    remedy: daemonRuns
      ? 'wait some seconds and run doctor again; if it stays, look at `stunmesh status`.'
      : 'start stunmesh: it publishes the new address.',
  };
}

interface Difference {
  readonly told: string;
  readonly seen: string;
}

/** A port that changes from server to server is no news. */
function differs(record: ParsedRecord, nat: NatBehaviour, listenPort: number): readonly Difference[] {
  const told = nat.family === 4 ? record.ipv4 : record.ipv6;
  if (!told || !nat.mapped) return [];
  const steady = nat.mapping === 'none' || nat.mapping === 'endpoint-independent';
  const seen: Endpoint = nat.mapping === 'none' ? { ...nat.mapped, port: listenPort } : nat.mapped;
  // A port that the router maps is another one than STUN sees.
  const isMapped = nat.family === 4 && record.c?.candidates.mappedPort === told.port;
  if (told.address === seen.address && (!steady || isMapped || told.port === seen.port)) return [];
  return [{ told: formatEndpoint(told), seen: steady ? formatEndpoint(seen) : seen.address }];
}
