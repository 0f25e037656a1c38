/** Takes a device's new configuration over: worked out in slices, applied at once, so that nobody sees half of it. */
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../api/index.js';
import type { InterfaceConfig } from '../config/index.js';
import { inSlices } from '../runtime/slices.js';
import { createPeerEntry, type DeviceEntry, forgetStore, type PeerEntry } from './peer-table.js';

/** Compares the device with a configuration, and changes nothing. The result takes the configuration over; entries of peers that stay
 * keep all that is known of them. True: it differs from the old one. */
export async function planReconfiguration(
  device: DeviceEntry,
  config: InterfaceConfig,
  clock: Pick<Clock, 'now' | 'sleep'>,
): Promise<() => boolean> {
  const before = device.config;
  let same = sameSettings(before, config) && before.peers.size === config.peers.size;
  const known = new Map<string, PeerEntry>();
  await inSlices(device.peers, clock, (peer) => known.set(peer.publicKey, peer));
  const peers: PeerEntry[] = [];
  const changes: (() => void)[] = [];
  await inSlices(config.peers, clock, ([name, wanted]) => {
    const peer = known.get(wanted.publicKey);
    peers.push(peer ?? createPeerEntry(wanted, clock.now()));
    if (!isDeepStrictEqual(before.peers.get(name), wanted)) same = false;
    if (!peer || isDeepStrictEqual(peer.config, wanted)) return;
    changes.push(() => {
      const gone = peer.config.plugins.filter((store) => !wanted.plugins.includes(store));
      for (const store of gone) forgetStore(peer, store);
      peer.name = wanted.name;
      peer.config = wanted;
    });
  });
  return () => {
    if (same) return false;
    for (const change of changes) change();
    device.peers = peers;
    device.config = config;
    return true;
  };
}

/** All but the peers. */
function sameSettings({ peers: _, ...one }: InterfaceConfig, { peers: __, ...other }: InterfaceConfig): boolean {
  return isDeepStrictEqual(one, other);
}
