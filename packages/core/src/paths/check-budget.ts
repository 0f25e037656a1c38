/** What checks may cost the network, whatever records, peers and strangers say (F44, F77). Times are milliseconds of a monotonic clock. */
import { TokenBucket } from './token-bucket.js';

const MINUTE = 60;
const HOUR_MS = 3_600_000;
const NEW_ADDRESSES_AN_HOUR = 16;

/** Of one host, all devices and peers together. */
export class HostCheckBudget {
  readonly #sends = new TokenBucket({ perSecond: 500, burst: 500 });
  readonly #answers = new TokenBucket({ perSecond: 200, burst: 500 });

  send(now: number): boolean {
    return this.#sends.take(now);
  }

  canSend(now: number): boolean {
    return this.#sends.left(now) >= 1;
  }

  answer(now: number): boolean {
    return this.#answers.take(now);
  }
}

/** Of one peer. */
export class PeerCheckBudget {
  readonly #host: HostCheckBudget;
  readonly #second = new TokenBucket({ perSecond: 30, burst: 30 });
  readonly #minute = new TokenBucket({ perSecond: 120 / MINUTE, burst: 120 });
  readonly #silent = new TokenBucket({ perSecond: 60 / MINUTE, burst: 60 });
  /** When each address was first asked within the last hour. */
  readonly #firstAsked = new Map<string, number>();

  constructor(host: HostCheckBudget) {
    this.#host = host;
  }

  /** Whether a check may go to this address now; it then counts as sent. */
  send(now: number, address: string, hasAnswered: boolean): boolean {
    const free =
      this.#second.left(now) >= 1 &&
      this.#minute.left(now) >= 1 &&
      (hasAnswered || this.#silent.left(now) >= 1) &&
      this.#host.canSend(now) &&
      this.#admit(now, address);
    if (!free) return false;
    this.#host.send(now);
    this.#second.take(now);
    this.#minute.take(now);
    if (!hasAnswered) this.#silent.take(now);
    return true;
  }

  #admit(now: number, address: string): boolean {
    if (this.#firstAsked.has(address)) return true;
    for (const [known, at] of this.#firstAsked) if (now - at >= HOUR_MS) this.#firstAsked.delete(known);
    if (this.#firstAsked.size >= NEW_ADDRESSES_AN_HOUR) return false;
    this.#firstAsked.set(address, now);
    return true;
  }
}
