/** The mark in a record's nonce by which two hosts of this kind know each other, while other readers see a random nonce. */
import { createHmac, timingSafeEqual } from 'node:crypto';

const NONCE_BYTES = 24;
const MARK_BYTES = 4;
const RANDOM_BYTES = NONCE_BYTES - MARK_BYTES;

/** Characters of a sealed value that every reader of this kind takes. */
export const LONGEST_SEALED = 2_048;

/** 24 bytes whose last four are the mark; `key` is readerMark('own'), `random` gives 20 unpredictable bytes (F11). */
export function markedNonce(key: Uint8Array, random: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(NONCE_BYTES);
  nonce.set(random.subarray(0, RANDOM_BYTES));
  nonce.set(markOf(key, nonce), RANDOM_BYTES);
  return nonce;
}

/** Whether the writer of a sealed value set the mark, and so reads long records; `key` is readerMark('peer'). */
export function bearsMark(key: Uint8Array, sealed: string): boolean {
  const nonce = Buffer.from(sealed.slice(0, 2 * NONCE_BYTES), 'hex');
  return nonce.length === NONCE_BYTES && timingSafeEqual(markOf(key, nonce), nonce.subarray(RANDOM_BYTES));
}

/** How many characters may be written: more than old readers take only where the peer is known to read them. */
export function valueLimit(
  traits: { readonly maxValueBytes: number; readonly maxLongValue?: number },
  peerReadsLong: boolean,
): number {
  const most = peerReadsLong ? (traits.maxLongValue ?? traits.maxValueBytes) : traits.maxValueBytes;
  return Math.min(most, LONGEST_SEALED);
}

function markOf(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(nonce.subarray(0, RANDOM_BYTES)).digest().subarray(0, MARK_BYTES);
}
