/** What a host does with a check that it receives: whose it is, whether it counts, and the answer (F44). */
import type { Endpoint } from '../api/index.js';
import type { PairKeys } from '../record/pair-keys.js';
import type { HostCheckBudget } from './check-budget.js';
import { type CheckRequest, formatCheckAnswer, mayBeCheckRequest, parseCheckRequest } from './check-message.js';
import { type IsEnough, TagTable } from './check-tags.js';
import { ReplayCache } from './replay-cache.js';
import { TokenBucket } from './token-bucket.js';

/** Where both clocks are sane they may differ by so much. */
const CLOCK_SECONDS = 120;

/** So many peers are brought to the present slot by a request that comes before advance() did it. */
const FEW = 16;

/** Why nothing follows from a packet; every one is met with silence. */
export type Refusal = 'not-a-check' | 'unknown' | 'forged' | 'stale' | 'replayed' | 'no-clock';

export interface Heard<Peer> {
  readonly peer: Peer;
  readonly request: CheckRequest;
  /** To be sent to where the request came from; absent: the budget of answers is used up. */
  readonly answer?: Uint8Array;
}

export interface Now {
  /** Milliseconds of a monotonic clock. */
  readonly now: number;
  /** Seconds since 1970; of a host whose clock is not sane the best guess, such as the newest record's time and what passed since. */
  readonly seconds: number;
  readonly clockSane: boolean;
}

interface Known {
  /** Derived when they are first needed, and kept. */
  readonly send: () => ReturnType<PairKeys['send']>;
  readonly receive: () => ReturnType<PairKeys['receive']>;
  readonly withoutClock: TokenBucket;
}

/** `Peer` is whatever the caller knows a peer by. */
export class CheckReceiver<Peer> {
  readonly #budget: HostCheckBudget;
  readonly #tags = new TagTable<Peer>();
  readonly #heard = new ReplayCache<Peer>();
  readonly #peers = new Map<Peer, Known>();

  constructor(budget: HostCheckBudget) {
    this.#budget = budget;
  }

  add(peer: Peer, keys: Pick<PairKeys, 'send' | 'receive'>): void {
    const known = {
      send: once(() => keys.send()),
      receive: once(() => keys.receive()),
      withoutClock: new TokenBucket({ perSecond: 1, burst: 1 }),
    };
    this.#peers.set(peer, known);
    this.#tags.add(peer, known.receive);
  }

  remove(peer: Peer): void {
    this.#peers.delete(peer);
    this.#tags.remove(peer);
    this.#heard.forget(peer);
  }

  /** True when the tags have changed, and with them prefixes(). With `isEnough` it ends early, and is to be called again while isBehind. */
  advance(seconds: number, isEnough?: IsEnough): boolean {
    return this.#tags.advance(seconds, isEnough);
  }

  get isBehind(): boolean {
    return this.#tags.isBehind;
  }

  /** For a packet filter: the first four bytes of the tags that are known now. */
  prefixes(): readonly number[] {
    return this.#tags.prefixes();
  }

  receive(bytes: Uint8Array, from: Endpoint, at: Now, isConnected: (peer: Peer) => boolean): Heard<Peer> | Refusal {
    if (!mayBeCheckRequest(bytes)) return 'not-a-check';
    let renewed = 0;
    this.#tags.advance(at.seconds, () => {
      renewed += 1;
      return renewed >= FEW;
    });
    const hit = this.#tags.lookup(bytes);
    const known = hit && this.#peers.get(hit.peer);
    if (!known) return 'unknown';
    const request = parseCheckRequest(known.receive(), bytes);
    if (!request) return 'forged';
    const { peer } = hit;
    const withoutClock = hit.withoutClock || !request.clockSane;
    if (withoutClock && isConnected(peer)) return 'no-clock';
    if (!withoutClock && at.clockSane && Math.abs(request.seconds - at.seconds) > CLOCK_SECONDS) return 'stale';
    if (!this.#heard.admit(at.now, peer, request.transactionId)) return 'replayed';
    const answers = (!withoutClock || known.withoutClock.take(at.now)) && this.#budget.answer(at.now);
    if (!answers) return { peer, request };
    return { peer, request, answer: formatCheckAnswer(known.send(), request.transactionId, from) };
  }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
