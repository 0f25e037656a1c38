/** What the two hosts of a record share, by the record's key: for stores that hide where they keep it. A store sees no WireGuard key. */
import type { PublicKey, SecretKey } from '../api/index.js';
import { createPairKeys } from '../record/pair-keys.js';
import { isWeakKey } from '../record/shared-secret.js';
import { storeKey } from '../record/store-key.js';

/** A device of ours, as it is now, and whose records are kept for it. */
export interface KeyedDevice {
  readonly publicKey: PublicKey;
  readonly secretKey: SecretKey;
  readonly peers: Iterable<PublicKey>;
}

interface Pair {
  readonly device: KeyedDevice;
  readonly peer: PublicKey;
  readonly writer: 'own' | 'peer';
}

/** The secret of a module and a key, 32 bytes; undefined: no two of ours write or read there. */
export type StoreSecrets = (module: string, key: string) => Uint8Array | undefined;

/** A key follows from both public keys, so what is known of one never changes; one that is not known may be new. */
export function createStoreSecrets(devices: () => Iterable<KeyedDevice>): StoreSecrets {
  let pairs: ReadonlyMap<string, Pair> = new Map();
  return (module, key) => {
    if (!pairs.has(key)) pairs = pairsOf(devices());
    const found = pairs.get(key);
    if (!found) return undefined;
    const { device, peer, writer } = found;
    return createPairKeys(device.secretKey, device.publicKey, peer).storeSecret(module, writer);
  };
}

/** The key of a device and itself is doctor's: its secret is X25519 of the device's own two keys. */
function pairsOf(devices: Iterable<KeyedDevice>): ReadonlyMap<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const device of devices)
    for (const peer of [device.publicKey, ...device.peers]) {
      if (isWeakKey(peer)) continue;
      pairs.set(storeKey(peer, device.publicKey), { device, peer, writer: 'peer' });
      pairs.set(storeKey(device.publicKey, peer), { device, peer, writer: 'own' });
    }
  return pairs;
}
