/** Transaction ids of checks that were heard: each counts once, in a bounded memory. */

const KEPT_MS = 320_000;
const MOST_OF_A_PEER = 512;
const MOST_IN_ALL = 50_000;

export class ReplayCache<Peer> {
  /** Oldest first; `at` in milliseconds of a monotonic clock. */
  readonly #ofPeers = new Map<Peer, Map<string, number>>();
  #size = 0;

  /** false: this id of this peer was heard before. */
  admit(now: number, peer: Peer, transactionId: Uint8Array): boolean {
    const id = Buffer.from(transactionId).toString('latin1');
    const known = this.#ofPeers.get(peer) ?? new Map<string, number>();
    const at = known.get(id);
    if (at !== undefined && now - at < KEPT_MS) return false;
    this.#ofPeers.set(peer, known);
    // Only whoever has the pair's key gets here, so what a flood pushes out is the flooder's own.
    for (const [old, since] of known) {
      if (now - since < KEPT_MS && known.size < MOST_OF_A_PEER) break;
      known.delete(old);
      this.#size -= 1;
    }
    if (this.#size >= MOST_IN_ALL) this.#dropOldest();
    known.delete(id);
    known.set(id, now);
    this.#size += 1;
    return true;
  }

  forget(peer: Peer): void {
    this.#size -= this.#ofPeers.get(peer)?.size ?? 0;
    this.#ofPeers.delete(peer);
  }

  get size(): number {
    return this.#size;
  }

  #dropOldest(): void {
    let oldest: { ids: Map<string, number>; id: string; at: number } | undefined;
    for (const ids of this.#ofPeers.values()) {
      const [first] = ids;
      if (first && (!oldest || first[1] < oldest.at)) oldest = { ids, id: first[0], at: first[1] };
    }
    if (!oldest) return;
    oldest.ids.delete(oldest.id);
    this.#size -= 1;
  }
}
