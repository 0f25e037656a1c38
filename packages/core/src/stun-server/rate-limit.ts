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
  /** Answers a second for all sources together: whoever forges more sources than are remembered gets no more than this. Default: no limit. */
  readonly totalPerSecond?: number;
  /** Sources that are remembered; the one not seen for longest is forgotten first. */
  readonly mostSources: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Two seconds' worth may come at once. */
const BURST_SECONDS = 2;

export function createRateLimit({ ratePerSecond, totalPerSecond, mostSources }: RateLimitOptions): RateLimit {
  // A Map keeps the order of insertion: the first key is the one not seen for longest.
  const buckets = new Map<string, Bucket>();
  // One walk for good: all before it is deleted. A new one would step over every deleted place at each call, for a flood to make use of.
  const oldest = buckets.keys();
  const total = totalPerSecond === undefined ? undefined : newBucket(totalPerSecond);
  return {
    get size() {
      return buckets.size;
    },
    allow(address, nowMs) {
      const key = sourceOf(address);
      const bucket = buckets.get(key) ?? newBucket(ratePerSecond);
      buckets.delete(key);
      buckets.set(key, bucket);
      if (buckets.size > mostSources) buckets.delete(oldest.next().value ?? key);
      return take(bucket, ratePerSecond, nowMs) && (!total || take(total, totalPerSecond ?? 0, nowMs));
    },
  };
}

function newBucket(rate: number): Bucket {
  return { tokens: mostTokens(rate), atMs: Number.NEGATIVE_INFINITY };
}

function mostTokens(rate: number): number {
  return Math.max(1, rate * BURST_SECONDS);
}

/** Fills the bucket up to now; true where it had a token to give. */
function take(bucket: Bucket, rate: number, nowMs: number): boolean {
  const gained = ((nowMs - bucket.atMs) * rate) / 1000;
  const tokens = Math.min(mostTokens(rate), bucket.tokens + gained);
  bucket.atMs = nowMs;
  bucket.tokens = tokens >= 1 ? tokens - 1 : tokens;
  return tokens >= 1;
}

/** One site has a whole IPv6 /64 to send from. */
function sourceOf(address: string): string {
  const bytes = parseAddress(address);
  return bytes?.length === 16 ? Buffer.from(bytes.subarray(0, 8)).toString('hex') : address;
}
