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
  readonly low: number;
  readonly slot: number;
}

export interface TagHit<Peer> {
  readonly peer: Peer;
  /** The sender's clock is not sane, by its own word. */
  readonly withoutClock: boolean;
}

/** `Peer` is whatever the caller knows a peer by. */
export class TagTable<Peer> {
  readonly #keys = new Map<Peer, CheckKeys>();
  /** By the first half of a tag; two that share it stand side by side. */
  readonly #byHigh = new Map<number, Entry<Peer>[]>();
  #slot: number | undefined;

  /** `keys` are those of the peer's direction: receive(). */
  add(peer: Peer, keys: CheckKeys): void {
    this.remove(peer);
    this.#keys.set(peer, keys);
    this.#insert(peer, keys, NO_CLOCK_SLOT);
    if (this.#slot !== undefined) for (const slot of around(this.#slot)) this.#insert(peer, keys, slot);
  }

  remove(peer: Peer): void {
    if (this.#keys.delete(peer)) this.#keep((entry) => entry.peer !== peer);
  }

  /** To be called before lookups with the time that peers' clocks should show; true when the known tags changed. */
  advance(seconds: number): boolean {
    const slot = slotOf(seconds, true);
    const before = this.#slot;
    if (slot === before) return false;
    this.#slot = slot;
    const wanted = new Set(around(slot));
    const known = new Set(before === undefined ? [] : around(before));
    this.#keep((entry) => entry.slot === NO_CLOCK_SLOT || wanted.has(entry.slot));
    for (const [peer, keys] of this.#keys)
      for (const each of wanted) if (!known.has(each)) this.#insert(peer, keys, each);
    return true;
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

  #insert(peer: Peer, keys: CheckKeys, slot: number): void {
    const tag = checkTag(keys, slot);
    const high = word(tag, 0);
    const entry = { peer, low: word(tag, 4), slot };
    const others = this.#byHigh.get(high);
    if (others) others.push(entry);
    else this.#byHigh.set(high, [entry]);
  }

  #keep(wanted: (entry: Entry<Peer>) => boolean): void {
    for (const [high, entries] of this.#byHigh) {
      const left = entries.filter(wanted);
      if (left.length === 0) this.#byHigh.delete(high);
      else if (left.length < entries.length) this.#byHigh.set(high, left);
    }
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
