/** Which of the records that stores hold of a peer counts: knowledge of checks follows it, so that an old one takes nothing back (F21). */
import type { ParsedRecord } from '../record/endpoint-record.js';
import { freshness } from '../record/freshness.js';
import { writtenAfter } from '../record/path-code.js';

/** After so long without a connection a record older than the one that proved itself is better than none (F21). */
const OLD_RECORD_AFTER_MS = 60_000;

export interface RecordChoice {
  /** `t` of the record that last proved itself. */
  readonly provenTime: number | undefined;
  readonly wallNow: number;
  /** 0: it is connected. */
  readonly unconnectedForMs: number;
}

/** undefined: there is none, or none that may be used yet. */
export function recordInUse(records: Iterable<ParsedRecord>, choice: RecordChoice): ParsedRecord | undefined {
  const newestFirst = [...records].sort((a, b) => (isNewer(a, b) ? -1 : 1));
  const current = newestFirst.find(({ t }) => freshness(t, choice.provenTime, choice.wallNow / 1_000) === 'new');
  return current ?? (choice.unconnectedForMs >= OLD_RECORD_AFTER_MS ? newestFirst[0] : undefined);
}

function isNewer(a: ParsedRecord, b: ParsedRecord): boolean {
  if (a.c && b.c) return writtenAfter(a.c, b.c);
  return (a.t ?? -1) > (b.t ?? -1);
}
