/** What the two hosts of a record share, by the record's key: for stores that hide where they keep it. A store sees no WireGuard key. */
import type { PublicKey, SecretKey } from '../api/index.js';
import { createPairKeys } from '../record/pair-keys.js';
import { isWeakKey } from '../record/shared-secret.js';
import { heartbeatKey, storeKey } from '../record/store-key.js';

/** A device of ours, as it is now, and whose records are kept for it. */
export interface KeyedDevice {
  readonly publicKey: PublicKey;
  readonly secretKey: SecretKey;
  readonly peers: Iterable<PublicKey>;
  /** What the configuration calls a peer. */
  nameOf?(peer: PublicKey): string | undefined;
}

interface Pair {
  readonly device: KeyedDevice;
  readonly peer: PublicKey;
  readonly writer: 'own' | 'peer';
}

/** The secret of a module and a key, 32 bytes; undefined: no two of ours write or read there. */
export type StoreSecrets = (module: string, key: string) => Uint8Array | undefined;

export function createStoreSecrets(devices: () => Iterable<KeyedDevice>): StoreSecrets {
  const find = createPairFinder(devices);
  return (module, key) => {
    const found = find(key);
    if (!found) return undefined;
    const { device, peer, writer } = found;
    return createPairKeys(device.secretKey, device.publicKey, peer).storeSecret(module, writer);
  };
}

/** What a key is in words: `of "office"` for a peer's record, `for "office"` for ours; undefined: it is nobody's by name. */
export function createKeyNames(devices: () => Iterable<KeyedDevice>): (key: string) => string | undefined {
  const find = createPairFinder(devices);
  return (key) => {
    const found = find(key);
    const name = found?.device.nameOf?.(found.peer);
    return found && name !== undefined ? `${found.writer === 'peer' ? 'of' : 'for'} "${name}"` : undefined;
  };
}

/** A key follows from both public keys, so what is known of one never changes; one that is not known may be new. */
function createPairFinder(devices: () => Iterable<KeyedDevice>): (key: string) => Pair | undefined {
  let pairs: ReadonlyMap<string, Pair> = new Map();
  return (key) => {
    if (!pairs.has(key)) pairs = pairsOf(devices());
    return pairs.get(key);
  };
}

/** The key of a device and itself is doctor's, another one is its heartbeat's: the secret of both is X25519 of the device's own two keys. */
function pairsOf(devices: Iterable<KeyedDevice>): ReadonlyMap<string, Pair> {
  const pairs = new Map<string, Pair>();
  for (const device of devices) {
    if (!isWeakKey(device.publicKey))
      pairs.set(heartbeatKey(device.publicKey), { device, peer: device.publicKey, writer: 'own' });
    for (const peer of [device.publicKey, ...device.peers]) {
      if (isWeakKey(peer)) continue;
      pairs.set(storeKey(peer, device.publicKey), { device, peer, writer: 'peer' });
      pairs.set(storeKey(device.publicKey, peer), { device, peer, writer: 'own' });
    }
  }
  return pairs;
}
