/** What two hosts share, computed once: the channel of their records and the keys of their checks. */
import type { PublicKey, SecretKey } from '../api/index.js';
import { PairKeys } from './pair-keys.js';
import { type Channel, createSharedChannel } from './seal.js';
import { boxKey, sharedSecret } from './shared-secret.js';

export interface Pair {
  /** Its nonces bear our mark. */
  readonly channel: Channel;
  readonly keys: PairKeys;
}

/** Errors: ERR_KEY_WEAK. */
export function createPair(secret: SecretKey, own: PublicKey, peer: PublicKey): Pair {
  const shared = sharedSecret(secret, peer);
  const keys = new PairKeys(shared, own, peer);
  return { channel: createSharedChannel(boxKey(shared), keys.readerMark('own')), keys };
}
