/** Whose check a packet may be: the tags of all peers for the slots around now, looked up before anything is computed. */
import type { CheckKeys } from '../record/pair-keys.js';
import { checkTag, TAG_OFFSET } from './check-message.js';

const SLOT_SECONDS = 64;
/** Slots before and after the present one that are known: clocks may differ by two minutes. */
const REACH = 2;
/** The slot of a host whose clock is not sane: as 64 bits without sign it is the last one. */
const NO_CLOCK_SLOT = -1;

/** For checkTag(). */
export function slotOf(seconds: number, clockSane: boolean): number {
  return clockSane ? Math.floor(seconds / SLOT_SECONDS) : NO_CLOCK_SLOT;
}

interface Entry<Peer> {
  readonly peer: Peer;
  readonly high: number;
  readonly low: number;
  readonly slot: number;
}

interface Known<Peer> {
  readonly keys: () => CheckKeys;
  readonly entries: Map<number, Entry<Peer>>;
}

/** Says after each piece of work whether it was enough for now. */
export type IsEnough = () => boolean;
const NEVER: IsEnough = () => false;

export interface TagHit<Peer> {
  readonly peer: Peer;
  /** The sender's clock is not sane, by its own word. */
  readonly withoutClock: boolean;
}

/** `Peer` is whatever the caller knows a peer by. */
export class TagTable<Peer> {
  readonly #peers = new Map<Peer, Known<Peer>>();
  /** By the first half of a tag; two that share it stand side by side. */
  readonly #byHigh = new Map<number, Entry<Peer>[]>();
  /** Peers whose tags are not those of the present slot yet. */
  readonly #behind = new Set<Peer>();
  #slot: number | undefined;

  /** `keys` gives those of the peer's direction: receive(). Its tags are made by advance(). */
  add(peer: Peer, keys: () => CheckKeys): void {
    this.remove(peer);
    this.#peers.set(peer, { keys, entries: new Map() });
    this.#behind.add(peer);
  }

  remove(peer: Peer): void {
    const known = this.#peers.get(peer);
    this.#peers.delete(peer);
    this.#behind.delete(peer);
    for (const entry of known?.entries.values() ?? []) this.#forget(entry);
  }

  /** To be called before lookups with the time that peers' clocks should show; true when the known tags changed. With `isEnough` it ends
   * early, and is to be called again while isBehind. */
  advance(seconds: number, isEnough = NEVER): boolean {
    const slot = slotOf(seconds, true);
    if (slot !== this.#slot) for (const peer of this.#peers.keys()) this.#behind.add(peer);
    this.#slot = slot;
    let changed = false;
    const wanted = new Set([NO_CLOCK_SLOT, ...around(slot)]);
    for (const peer of this.#behind) {
      this.#behind.delete(peer);
      const known = this.#peers.get(peer);
      if (known) this.#renew(peer, known, wanted);
      changed = true;
      if (isEnough()) break;
    }
    return changed;
  }

  /** Tags of some peers are those of a slot before, which are known for two minutes more, or not made yet. */
  get isBehind(): boolean {
    return this.#behind.size > 0;
  }

  /** `bytes` are as long as a request. */
  lookup(bytes: Uint8Array): TagHit<Peer> | undefined {
    const entries = this.#byHigh.get(word(bytes, TAG_OFFSET));
    if (entries === undefined) return undefined;
    const low = word(bytes, TAG_OFFSET + 4);
    const entry = entries.find((known) => known.low === low);
    return entry && { peer: entry.peer, withoutClock: entry.slot === NO_CLOCK_SLOT };
  }

  /** The first four bytes of every known tag, for a packet filter. */
  prefixes(): readonly number[] {
    return [...this.#byHigh.keys()];
  }

  #renew(peer: Peer, { keys, entries }: Known<Peer>, wanted: ReadonlySet<number>): void {
    for (const [slot, entry] of entries) {
      if (wanted.has(slot)) continue;
      entries.delete(slot);
      this.#forget(entry);
    }
    for (const slot of wanted) {
      if (entries.has(slot)) continue;
      const tag = checkTag(keys(), slot);
      const entry = { peer, high: word(tag, 0), low: word(tag, 4), slot };
      entries.set(slot, entry);
      const others = this.#byHigh.get(entry.high);
      if (others) others.push(entry);
      else this.#byHigh.set(entry.high, [entry]);
    }
  }

  #forget(entry: Entry<Peer>): void {
    const left = this.#byHigh.get(entry.high)?.filter((one) => one !== entry) ?? [];
    if (left.length === 0) this.#byHigh.delete(entry.high);
    else this.#byHigh.set(entry.high, left);
  }
}

function around(slot: number): number[] {
  const slots: number[] = [];
  for (let each = slot - REACH; each <= slot + REACH; each += 1) if (each >= 0) slots.push(each);
  return slots;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}
