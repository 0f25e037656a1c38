/** The store over the DHT: one mutable item a record and day (BEP 44), found by a walk, written to the nodes closest to it. */
import { setMaxListeners } from 'node:events';
import { type CallOptions, type Clock, type Logger, type Store, StunmeshError } from '@stunmesh/core/api';
import type { Bootstraps } from './bootstraps.js';
import type { GoodNodes } from './good-nodes.js';
import { CLOSEST, MOST_PACKETS, type Walked, walk } from './lookup.js';
import type { Item } from './message.js';
import type { Rpc } from './rpc.js';
import { dayOf, daysToRead, deriveSlot, type Slot, secretOfKey } from './slot.js';

/** Bencoding takes 4 of the 1,000 bytes that a node keeps (BEP 44). */
export const MOST_VALUE_BYTES = 996;
/** A clock before this was not set: slots are found by the day. */
const SANE_MS = Date.UTC(2026, 0, 1);
const MOST_SLOTS = 4_096;
const ENOUGH_GOOD_NODES = 8;
const OLDER_THAN_STORED = 302;

export interface DhtStoreOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly rpc: Rpc;
  readonly bootstraps: Bootstraps;
  readonly goodNodes: GoodNodes;
  secretFor(key: string): Uint8Array | undefined;
}

export function createDhtStore(options: DhtStoreOptions): Store {
  const { clock, logger, rpc, bootstraps, goodNodes } = options;
  const slots = new Map<string, Slot>();
  /** The highest seq seen in a slot, so that ours is higher. */
  const seen = new Map<string, number>();
  let note: string | undefined;
  let closed = false;

  const slotOf = (key: string, day: number): Slot => {
    const name = `${key} ${day}`;
    const known = slots.get(name);
    if (known) return known;
    const secret = options.secretFor(key);
    // A key may become a pair's.
    if (!secret) return deriveSlot(secretOfKey(key), day);
    if (slots.size >= MOST_SLOTS) slots.clear();
    const slot = deriveSlot(secret, day);
    slots.set(name, slot);
    return slot;
  };

  const begin = async ({ signal }: CallOptions): Promise<void> => {
    if (closed) throw new StunmeshError('ERR_CLOSED', 'the store is closed');
    signal.throwIfAborted();
    if (clock.wallNow() < SANE_MS)
      throw unavailable('the clock of this host is not set, and a record is found by the day: set the clock');
    await goodNodes.load();
  };

  /** A walk from the nodes that answered lately, and from the bootstraps where those do not suffice. */
  const find = async (slot: Slot, call: AbortSignal, thorough = false): Promise<Walked> => {
    // Every question of a walk listens to it.
    const signal = AbortSignal.any([call]);
    setMaxListeners(0, signal);
    const began = clock.now();
    const once = async (seeds: number, mostPackets: number, useBootstraps: boolean): Promise<Walked> =>
      await walk({
        rpc,
        clock,
        target: slot.target,
        seeds: goodNodes.near(slot.target, seeds),
        bootstraps: useBootstraps ? await bootstraps.endpoints(signal) : [],
        mostPackets,
        thorough,
        accepts: slot.accepts,
        signal,
      });
    const familiar = goodNodes.size >= ENOUGH_GOOD_NODES;
    let found = await once(CLOSEST, MOST_PACKETS, !familiar);
    if (familiar && !found.item && !found.conclusive && found.packets < MOST_PACKETS)
      found = await once(CLOSEST, MOST_PACKETS - found.packets, true);
    goodNodes.answered(found.closest.map(({ id, endpoint }) => ({ id, endpoint })));
    for (const node of found.silent) goodNodes.silent(node);
    if (found.item) seen.set(slot.target, Math.max(found.item.seq, seen.get(slot.target) ?? 0));
    const holders = found.closest.filter(({ holds }) => holds).length;
    note = `${count(found.answered, 'node')} answered, ${holders} with the record, in ${seconds(clock.now() - began)}`;
    logger.debug({ answered: found.answered, holders, packets: found.packets }, 'looked in the DHT');
    void goodNodes.save(clock.now());
    return found;
  };

  const noAnswer = (): StunmeshError =>
    unavailable(
      bootstraps.failure === undefined
        ? 'no node of the DHT answered, no bootstrap either: let UDP out to any port'
        : `no bootstrap of the DHT has an address: ${bootstraps.failure}`,
    );

  const writeTo = async (
    slot: Slot,
    item: Item,
    found: Walked,
    signal: AbortSignal,
  ): Promise<{ ok: number; older: boolean }> => {
    const targets = found.closest.filter(({ token }) => token !== undefined);
    const answers = await Promise.all(
      targets.map(({ endpoint, token }) =>
        rpc.ask(endpoint, { name: 'put', item, salt: slot.salt, token: token ?? new Uint8Array() }, signal),
      ),
    );
    return {
      ok: answers.filter((answer) => answer?.kind === 'answer').length,
      older: answers.some((answer) => answer?.kind === 'refusal' && answer.code === OLDER_THAN_STORED),
    };
  };

  return {
    async get(key, call) {
      await begin(call);
      const { now, later } = daysToRead(clock.wallNow());
      const walks = await Promise.all(now.map((day) => find(slotOf(key, day), call.signal)));
      const newest = walks.flatMap(({ item }) => item ?? []).sort((a, b) => b.seq - a.seq)[0];
      if (newest) return Buffer.from(newest.value).toString('hex');
      for (const day of later) {
        const earlier = await find(slotOf(key, day), call.signal);
        if (earlier.item) return Buffer.from(earlier.item.value).toString('hex');
        walks.push(earlier);
      }
      if (walks.every(({ answered }) => answered === 0)) throw noAnswer();
      if (walks.every(({ conclusive }) => conclusive)) return undefined;
      throw unavailable(
        walks.some(({ forged }) => forged)
          ? 'a node of the DHT answered with a forged record, so that nothing is known; it is asked again'
          : 'too few nodes of the DHT answered to know whether there is a record; they are asked again',
      );
    },

    async set(key, value, call) {
      await begin(call);
      if (!/^(?:[0-9a-f]{2})+$/.test(value))
        throw new StunmeshError(
          'ERR_STORE_INPUT',
          'the DHT keeps whole bytes: an even number of lower-case hex digits',
        );
      const bytes = Uint8Array.from(Buffer.from(value, 'hex'));
      if (bytes.length > MOST_VALUE_BYTES)
        throw new StunmeshError('ERR_STORE_TOO_LARGE', `the DHT keeps at most ${MOST_VALUE_BYTES * 2} characters`);
      const wall = clock.wallNow();
      const slot = slotOf(key, dayOf(wall));
      const found = await find(slot, call.signal, true);
      if (found.answered === 0) throw noAnswer();
      const same = found.item !== undefined && Buffer.from(found.item.value).equals(bytes);
      let seq = Math.max((seen.get(slot.target) ?? 0) + 1, Math.floor(wall / 1_000));
      if (same && found.item) seq = found.item.seq;
      let written = await writeTo(slot, slot.seal(bytes, seq), found, call.signal);
      if (written.ok === 0 && written.older) {
        // Somebody has written since we looked: the seq after the one that is there now.
        const again = await find(slot, call.signal, true);
        seq = Math.max(seq, seen.get(slot.target) ?? 0) + 1;
        written = await writeTo(slot, slot.seal(bytes, seq), again, call.signal);
      }
      if (written.ok === 0) throw unavailable('no node of the DHT took the record; it is tried again');
      seen.set(slot.target, seq);
      note = `${count(written.ok, 'node')} took the record`;
    },

    note: () => note,

    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      await rpc[Symbol.asyncDispose]();
      await goodNodes.save(clock.now(), 'last');
    },
  };
}

function unavailable(message: string): StunmeshError {
  return new StunmeshError('ERR_STORE_UNAVAILABLE', message);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
