/** Where a record lies in a store: the key names sender and receiver without showing them. */
import { createHash } from 'node:crypto';
import { type PublicKey, publicKeyBytes } from '../api/index.js';

/** Lower-case hex SHA-1 over the 32 bytes of the sender's key and the 32 of the receiver's: 40 characters. */
export function storeKey(sender: PublicKey, receiver: PublicKey): string {
  return createHash('sha1').update(publicKeyBytes(sender)).update(publicKeyBytes(receiver)).digest('hex');
}
