/** A token bucket for each source, in a table of bounded size, so that a server cannot be made to flood one address (F42). */
import { parseAddress } from '../net/index.js';

export interface RateLimit {
  /** Whether a request from this address may be answered now. */
  allow(address: string, nowMs: number): boolean;
  readonly size: number;
}

export interface RateLimitOptions {
  /** Answers a second for one IPv4 address or one IPv6 /64. */
  readonly ratePerSecond: number;
  /** Sources that are remembered; the one not seen for longest is forgotten first. */
  readonly mostSources: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Two seconds' worth may come at once. */
const BURST_SECONDS = 2;

export function createRateLimit({ ratePerSecond, mostSources }: RateLimitOptions): RateLimit {
  const full = Math.max(1, ratePerSecond * BURST_SECONDS);
  // A Map keeps the order of insertion: the first key is the one not seen for longest.
  const buckets = new Map<string, Bucket>();
  return {
    get size() {
      return buckets.size;
    },
    allow(address, nowMs) {
      const key = sourceOf(address);
      const known = buckets.get(key) ?? { tokens: full, atMs: nowMs };
      buckets.delete(key);
      const tokens = Math.min(full, known.tokens + ((nowMs - known.atMs) * ratePerSecond) / 1000);
      const allowed = tokens >= 1;
      buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, atMs: nowMs });
      if (buckets.size > mostSources) {
        const [oldest] = buckets.keys();
        if (oldest !== undefined) buckets.delete(oldest);
      }
      return allowed;
    },
  };
}

/** One site has a whole IPv6 /64 to send from. */
function sourceOf(address: string): string {
  const bytes = parseAddress(address);
  return bytes?.length === 16 ? Buffer.from(bytes.subarray(0, 8)).toString('hex') : address;
}
