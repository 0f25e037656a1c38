/** Chance that is the same in every run (xorshift32). */
import type { RandomInt } from '#src/paths/port-order.js';

export function createRandom(seed: number): RandomInt {
  let state = seed >>> 0 || 1;
  return (count) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

let ids = 0;

/** Transaction ids that are all different. */
export function createId(): Uint8Array {
  const id = new Uint8Array(12);
  ids += 1;
  new DataView(id.buffer).setUint32(8, ids);
  return id;
}
