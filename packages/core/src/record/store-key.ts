/** Where a record lies in a store: the key names sender and receiver without showing them. Likewise the key of a host's own heartbeat. */
import { createHash } from 'node:crypto';
import { type PublicKey, publicKeyBytes } from '../api/index.js';

/** Lower-case hex SHA-1 over the 32 bytes of the sender's key and the 32 of the receiver's: 40 characters. */
export function storeKey(sender: PublicKey, receiver: PublicKey): string {
  return createHash('sha1').update(publicKeyBytes(sender)).update(publicKeyBytes(receiver)).digest('hex');
}

/** Of the key by which a host sees that its watch of a store lives. A second host with the same WireGuard key has the same. */
export function heartbeatKey(own: PublicKey): string {
  return createHash('sha1').update('stunmesh heartbeat\0').update(publicKeyBytes(own)).digest('hex');
}
