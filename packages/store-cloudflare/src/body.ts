/** The body of an answer as it grows: one buffer, since an object for each piece would cost a hundred times what a piece of one byte holds. */

const FIRST_BYTES = 16 * 1024;

export interface Body {
  /** False: it is longer than it may be, and this piece is not part of it. */
  add(piece: Uint8Array): boolean;
  bytes(): Buffer;
}

export function createBody(mostBytes: number): Body {
  let room = Buffer.alloc(0);
  let length = 0;
  return {
    add(piece) {
      const needed = length + piece.length;
      if (needed > mostBytes) return false;
      if (needed > room.length) {
        const larger = Buffer.alloc(Math.min(mostBytes, Math.max(FIRST_BYTES, 2 * room.length, needed)));
        room.copy(larger, 0, 0, length);
        room = larger;
      }
      room.set(piece, length);
      length = needed;
      return true;
    },
    bytes: () => room.subarray(0, length),
  };
}
