/** Which records of a peer were seen before: a store that shows old ones in turn makes nothing happen a second time; pure. */
import { formatEndpoint } from '../net/index.js';
import type { ParsedRecord } from '../record/endpoint-record.js';

/** So many are remembered; the oldest is forgotten first. */
const MOST = 256;
/** Without a time in it a record may mean a host that came back to a former place, so it is remembered for so long only. */
const UNTIMED_MS = 60_000;

export interface SeenRecords {
  /** True when this very record was there before, in whatever store; one that only acknowledges anew is the same. `now`: monotonic milliseconds. */
  seenBefore(record: Pick<ParsedRecord, 'ipv4' | 'ipv6' | 't'>, now: number): boolean;
  /** The keys or the stores are others now: nothing of what was seen counts. */
  clear(): void;
}

export function createSeenRecords(): SeenRecords {
  const seen = new Map<string, number>();
  return {
    seenBefore(record, now) {
      const { ipv4, ipv6, t } = record;
      const key = [ipv4, ipv6]
        .map((e) => (e ? formatEndpoint(e) : '-'))
        .join(' ')
        .concat(` ${t}`);
      const at = seen.get(key);
      if (at !== undefined && (t !== undefined || now - at < UNTIMED_MS)) return true;
      seen.delete(key);
      seen.set(key, now);
      for (const oldest of seen.keys()) {
        if (seen.size <= MOST) break;
        seen.delete(oldest);
      }
      return false;
    },
    clear: () => seen.clear(),
  };
}
