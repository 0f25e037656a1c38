/** Finds the largest packet that passes a tunnel and comes back: pings that nobody may cut up, of full size first, then by halves (RFC 8899 section 5). */
import type { Clock, Family, StunmeshError } from '../api/index.js';
import { encodeEcho, parseEcho } from '../net/index.js';
import type { Underlay } from '../underlay/underlay.js';

/** IP header and ICMP header. */
const HEADER_BYTES: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };
const NONCE_BYTES = 8;
/** The small ping, which every path takes. */
const SMALL_BYTES = 64;
/** What a device has that nobody gave an MTU, where the capture does not tell (wg-quick(8)). */
const USUAL_BYTES = 1_420;
/** WireGuard pads packets to a multiple of this (whitepaper section 5.4.6): sizes between pass or fail together. */
const PADDING = 16;
/** One loss is no proof. */
const TRIES = 3;
const MOST_WAIT_MS = 1_000;
const LEAST_WAIT_MS = 250;
/** A reply that takes longer than so many round trips of a small ping is lost. */
const ROUND_TRIPS = 4;

export interface SizeParts {
  readonly underlay: Pick<Underlay, 'openEchoSocket'>;
  readonly clock: Clock;
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array;
  readonly signal: AbortSignal;
}

export interface SizeFound {
  /** Small pings were answered. */
  readonly answers: boolean;
  /** Pings that were sent. */
  readonly sent: number;
  /** The largest size that was tried and that the device takes: IP packets inside the tunnel, in bytes. */
  readonly fullBytes: number;
  /** The largest size that came back; as fullBytes where all is well. */
  readonly passedBytes: number;
}

/** At most about thirty packets. Errors: those of openEchoSocket and send (a size that the device refuses is none), the signal's reason. */
export async function findPacketSize(parts: SizeParts, to: string, mtu: number | undefined): Promise<SizeFound> {
  const { clock, signal } = parts;
  const family: Family = to.includes(':') ? 6 : 4;
  const [high = 0, low = 0] = parts.random(2);
  const id = high * 256 + low;
  const nonce = parts.random(NONCE_BYTES);
  let sequence = 0;
  let sent = 0;
  let waitMs = MOST_WAIT_MS;
  let awaited: { readonly sequences: Set<number>; answered(): void } | undefined;
  await using socket = await parts.underlay.openEchoSocket({
    family,
    dontFragment: true,
    onPacket(icmp, from) {
      const echo = parseEcho(family, icmp);
      if (echo?.kind !== 'reply' || echo.id !== id || from !== to || !awaited?.sequences.has(echo.sequence)) return;
      if (Buffer.compare(echo.payload.subarray(0, NONCE_BYTES), nonce) === 0) awaited.answered();
    },
    onFault() {},
  });

  const probe = async (bytes: number): Promise<'answered' | 'lost' | 'refused'> => {
    const answered = new AbortController();
    const sequences = new Set<number>();
    awaited = { sequences, answered: () => answered.abort() };
    const payload = Buffer.concat([nonce], bytes - HEADER_BYTES[family]);
    for (let n = 0; n < TRIES && !answered.signal.aborted; n += 1) {
      sequence = (sequence + 1) & 0xffff;
      sequences.add(sequence);
      const startedAt = clock.now();
      try {
        await socket.send(encodeEcho(family, { kind: 'request', id, sequence, payload }), to);
      } catch (error) {
        if ((error as StunmeshError).details?.['code'] === 'EMSGSIZE') return 'refused';
        throw error;
      }
      sent += 1;
      // A reply ends the wait.
      await clock.sleep(waitMs, AbortSignal.any([answered.signal, signal])).catch(() => undefined);
      signal.throwIfAborted();
      if (answered.signal.aborted && bytes === SMALL_BYTES && n === 0)
        waitMs = Math.min(MOST_WAIT_MS, Math.max(LEAST_WAIT_MS, ROUND_TRIPS * (clock.now() - startedAt)));
    }
    return answered.signal.aborted ? 'answered' : 'lost';
  };

  const full = Math.max(mtu ?? USUAL_BYTES, SMALL_BYTES);
  if ((await probe(SMALL_BYTES)) !== 'answered') return { answers: false, sent, fullBytes: full, passedBytes: 0 };
  const atFull = await probe(full);
  if (atFull === 'answered') return { answers: true, sent, fullBytes: full, passedBytes: full };

  // Below `failing` the last size that fails, at `passing` one that passes, both in units of the padding.
  let passing = SMALL_BYTES / PADDING;
  let failing = Math.ceil(full / PADDING);
  let refused = atFull === 'refused';
  while (failing - passing > 1) {
    const middle = (passing + failing) >> 1;
    const outcome = await probe(middle * PADDING);
    if (outcome === 'answered') passing = middle;
    else {
      failing = middle;
      refused = outcome === 'refused';
    }
  }
  const passedBytes = passing * PADDING;
  // The tunnel may have died meanwhile.
  const answers = (await probe(SMALL_BYTES)) === 'answered';
  return { answers, sent, fullBytes: refused ? passedBytes : full, passedBytes };
}
