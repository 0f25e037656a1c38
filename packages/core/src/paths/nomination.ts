/** Which path WireGuard is to use, and which side says so: the smaller key, and the other one only where nothing came of it. */
import type { Endpoint, Family } from '../api/index.js';
import { formatEndpoint, sameEndpoint } from '../net/index.js';
import type { Path } from './path.js';
import { betterPath, choose, classOf } from './selection.js';

/** So long the smaller key waits for a better class than that of the first valid path. */
const NOMINATE_AFTER_MS = 100;
/** So long the other side waits for the smaller key. */
const OTHER_AFTER_MS = 2_000;
/** So long WireGuard has for its handshake on one path before another valid one is nominated. */
const DWELL_MS = 6_000;

export interface NominationRules {
  readonly smaller: boolean;
  readonly preferred: Family;
  /** `upgrade` of the configuration: whether a live session may move. */
  readonly upgrade: boolean;
}

export class Nomination {
  readonly #rules: NominationRules;
  #firstValidAt: number | undefined;
  #nominated: Endpoint | undefined;
  #nominatedAt = 0;
  #peerWaits = false;
  readonly #triedInVain = new Set<string>();
  #lastSwitchAt: number | undefined;

  constructor(rules: NominationRules) {
    this.#rules = rules;
  }

  /** The pair is unsettled: nothing is nominated. */
  reset(): void {
    this.#firstValidAt = undefined;
    this.#nominated = undefined;
    this.#peerWaits = false;
    this.#triedInVain.clear();
  }

  /** The peer believes in a tunnel that we do not have: it nominates nothing, so it is for us to do. */
  onPeerWaits(): void {
    this.#peerWaits = true;
  }

  onValid(now: number): void {
    this.#firstValidAt ??= now;
  }

  /** What our next check there tells the peer. */
  isNominated(endpoint: Endpoint): boolean {
    return this.#rules.smaller && sameEndpoint(this.#nominated, endpoint);
  }

  /** Of an unsettled pair: the endpoint that the device should have now; undefined: leave it alone. */
  unsettled(now: number, paths: readonly Path[]): Endpoint | undefined {
    const { preferred } = this.#rules;
    const open = this.#untried(now, paths);
    const present = open.find(({ endpoint }) => sameEndpoint(endpoint, this.#nominated));
    // Speed alone changes nothing until the tunnel is up: a moving endpoint delays the handshake.
    const best = choose(open, preferred);
    const chosen = present && best && classOf(best, preferred) >= classOf(present, preferred) ? present : best;
    if (!chosen || now < this.#from(chosen, paths)) return undefined;
    if (!sameEndpoint(chosen.endpoint, this.#nominated)) this.#nominatedAt = now;
    this.#nominated = chosen.endpoint;
    return chosen.endpoint;
  }

  /** The valid paths on which WireGuard has not been tried in vain: only a handshake proves that it gets through too (F9). */
  #untried(now: number, paths: readonly Path[]): readonly Path[] {
    const valid = paths.filter(({ state }) => state === 'valid');
    if (this.#nominated && now - this.#nominatedAt >= DWELL_MS) this.#triedInVain.add(formatEndpoint(this.#nominated));
    const open = valid.filter(({ endpoint }) => !this.#triedInVain.has(formatEndpoint(endpoint)));
    if (open.length > 0) return open;
    this.#triedInVain.clear();
    return valid;
  }

  /** When unsettled() may have another answer though nothing happens; undefined: never. */
  nextAt(paths: readonly Path[]): number | undefined {
    const best = choose(paths, this.#rules.preferred);
    return best && this.#nominated === undefined ? this.#from(best, paths) : undefined;
  }

  /** Of a connected pair: the endpoint to move the session to (F48); counts as the switch of this minute. */
  connected(now: number, paths: readonly Path[], present: Path): Endpoint | undefined {
    if (!this.#rules.smaller || !this.#rules.upgrade) return undefined;
    const better = betterPath(paths, this.#rules.preferred, present, { now, lastSwitchAt: this.#lastSwitchAt });
    if (!better) return undefined;
    this.#lastSwitchAt = now;
    this.#nominated = better.endpoint;
    return better.endpoint;
  }

  #from(chosen: Path, paths: readonly Path[]): number {
    const first = this.#firstValidAt ?? Number.POSITIVE_INFINITY;
    if (!this.#rules.smaller && !this.#peerWaits) return first + OTHER_AFTER_MS;
    const classes = paths.map((path) => classOf(path, this.#rules.preferred));
    return classOf(chosen, this.#rules.preferred) <= Math.min(...classes) ? first : first + NOMINATE_AFTER_MS;
  }
}
