/** What two hosts share, computed once and when it is first needed: the channel of their records and the keys of their checks. */
import type { PublicKey, SecretKey } from '../api/index.js';
import { PairKeys } from './pair-keys.js';
import { type Channel, createSharedChannel } from './seal.js';
import { boxKey, refuseWeakKey, sharedSecret } from './shared-secret.js';

export interface Pair {
  /** Its nonces bear our mark. */
  readonly channel: Channel;
  readonly keys: PairKeys;
}

/** Takes next to nothing; the multiplication (X25519: a quarter of a millisecond and more) waits for the first record that is sealed or
 * opened, or the first key that is asked for. Errors: ERR_KEY_WEAK. */
export function createPair(secret: SecretKey, own: PublicKey, peer: PublicKey): Pair {
  refuseWeakKey(peer);
  let shared: Uint8Array | undefined;
  const share = (): Uint8Array => {
    shared ??= sharedSecret(secret, peer);
    return shared;
  };
  const keys = new PairKeys(share, own, peer);
  let channel: Channel | undefined;
  const open = (): Channel => {
    channel ??= createSharedChannel(boxKey(share()), keys.readerMark('own'));
    return channel;
  };
  return { channel: { seal: (plain) => open().seal(plain), open: (sealed) => open().open(sealed) }, keys };
}
