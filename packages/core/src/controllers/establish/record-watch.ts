/** Listens to stores that tell of changes, so that a new record is used at once; polling goes on beside it. */
import { type CallOptions, isStunmeshError } from '../../api/index.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { storeKey } from '../../record/store-key.js';
import { inSlices } from '../../runtime/slices.js';
import type { DeviceComponents } from '../device-components.js';

/** Watches all peers' records of a device, in each store that can, until disposed. Never rejects. */
export async function watchRecords(
  {
    device,
    clock,
    logger,
    stores,
    signal,
  }: Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'stores' | 'signal'>,
  changed: (peer: PeerEntry) => void,
): Promise<AsyncDisposable> {
  const { facts } = device;
  const watches: AsyncDisposable[] = [];
  if (facts) {
    for (const store of stores.values()) {
      const keys = new Map<string, PeerEntry>();
      await inSlices(device.peers, clock, (peer) => {
        if (peer.config.plugins.includes(store.name)) keys.set(storeKey(peer.publicKey, facts.publicKey), peer);
      });
      if (keys.size === 0 || !store.watch) continue;
      const options: CallOptions = { signal };
      try {
        watches.push(
          await store.watch(
            [...keys.keys()],
            {
              change(key) {
                const peer = keys.get(key);
                if (peer) changed(peer);
              },
              fault: (error) =>
                logger.debug({ device: device.name, store: store.name, error }, 'watching suffered; polling goes on'),
            },
            options,
          ),
        );
      } catch (error) {
        if (!signal.aborted)
          logger.debug(
            { device: device.name, store: store.name, error: isStunmeshError(error) ? error.code : 'ERR_INTERNAL' },
            'cannot watch; polling instead',
          );
      }
    }
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const watch of watches.splice(0)) await watch[Symbol.asyncDispose]();
    },
  };
}
