/** How much may be done about one peer, whatever its record, its store or the network does (F77); pure. */

/** probe: packets into a tunnel to see whether it lives; confirm: the same after an overdue ping, which comes at the ping's own pace;
 * look: at our own mapping, as a ping is late; punch: one datagram to a candidate; renewal: F18b; read: of its record, because a store said that it changed; publish: one write. */
export type Reaction = 'probe' | 'confirm' | 'look' | 'punch' | 'renewal' | 'read' | 'publish';

const MINUTE = 60_000;

/** What may happen at once, and as much again is given back in a minute: twice this is the most in any minute. */
const BURSTS: Readonly<Record<Reaction, number>> = {
  probe: 6,
  confirm: 30,
  look: 6,
  punch: 30,
  renewal: 6,
  read: 30,
  publish: 12,
};

export interface ReactionBudget {
  /** Takes up to `wanted`, and says how many there were. `now`: monotonic milliseconds. */
  take(reaction: Reaction, now: number, wanted?: number): number;
  /** When there is one again; monotonic milliseconds. */
  nextAt(reaction: Reaction, now: number): number;
}

export function createReactionBudget(): ReactionBudget {
  const spent = new Map<Reaction, { readonly left: number; readonly at: number }>();
  const left = (reaction: Reaction, now: number): number => {
    const burst = BURSTS[reaction];
    const last = spent.get(reaction);
    return last ? Math.min(burst, last.left + ((now - last.at) * burst) / MINUTE) : burst;
  };
  return {
    take(reaction, now, wanted = 1) {
      const available = left(reaction, now);
      const taken = Math.min(wanted, Math.floor(available));
      if (taken > 0) spent.set(reaction, { left: available - taken, at: now });
      return taken;
    },
    nextAt(reaction, now) {
      const missing = 1 - left(reaction, now);
      return missing <= 0 ? now : now + Math.ceil((missing * MINUTE) / BURSTS[reaction]);
    },
  };
}
