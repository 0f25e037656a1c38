/** How many hops away the router is that holds our reflexive address: pings that may travel 1, 2, 3 and 4 hops, and which come back. */
import type { Clock, Family } from '../api/index.js';
import { encodeEcho, parseEcho } from '../net/index.js';
import type { Underlay } from '../underlay/underlay.js';

/** Further away than this no router of the customer's or of the access network is. */
const MOST_HOPS = 4;
const ROUNDS = 2;
const ROUND_MS = 500;
const NONCE_BYTES = 8;

export interface DistanceParts {
  readonly underlay: Pick<Underlay, 'openEchoSocket'>;
  readonly clock: Clock;
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array;
}

export interface DistanceOptions {
  readonly family: Family;
  /** The underlay interface that packets to the STUN servers leave by. */
  readonly interface: string;
  /** The reflexive address. */
  readonly address: string;
  readonly signal: AbortSignal;
}

/** 1: the first router holds the address, so no other NAT is behind it. More: a router further away does, and those before it route
 * or translate too. undefined: it answers no pings, which many carriers' NATs do not, or they could not be sent. */
export async function measureDistance(parts: DistanceParts, o: DistanceOptions): Promise<number | undefined> {
  const nonce = parts.random(NONCE_BYTES);
  const [high = 0, low = 0] = parts.random(2);
  const id = high * 256 + low;
  const answered = new Set<number>();
  const packet = (hops: number): Uint8Array =>
    encodeEcho(o.family, { kind: 'request', id, sequence: hops, payload: nonce });
  try {
    await using socket = await parts.underlay.openEchoSocket({
      family: o.family,
      device: o.interface,
      onPacket(icmp, from) {
        const echo = parseEcho(o.family, icmp);
        if (echo?.kind !== 'reply' || echo.id !== id || from !== o.address) return;
        if (Buffer.compare(echo.payload, nonce) === 0) answered.add(echo.sequence);
      },
      onFault() {},
    });
    for (let round = 0; round < ROUNDS; round += 1) {
      for (let hops = 1; hops <= MOST_HOPS; hops += 1)
        await socket.send(packet(hops), o.address, { ttl: hops }).catch(() => undefined);
      await parts.clock.sleep(ROUND_MS, o.signal);
    }
  } catch {
    o.signal.throwIfAborted();
    return undefined;
  }
  return answered.size === 0 ? undefined : Math.min(...answered);
}
