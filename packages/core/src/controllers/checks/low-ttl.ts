/** The TTL that opens our outermost NAT and ends behind it: how far away that one is, is measured once for each public address (F43). */
import { randomBytes } from 'node:crypto';
import type { Family } from '../../api/index.js';
import { localCandidate } from '../../paths/candidate.js';
import type { DeviceComponents } from '../device-components.js';

/** Where it is not known: a router, perhaps one of the access network behind it, and no step more. */
const UNMEASURED = 3;

export interface LowTtl {
  of(family: Family): number;
  /** Measures what is not measured yet; called at every poll tick. */
  follow(): void;
  /** The way out may be another one, with the same address. */
  forget(): void;
  stop(): Promise<void>;
}

export function createLowTtl(
  components: Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'underlay' | 'signal'>,
): LowTtl {
  const { device, clock, logger, underlay, signal } = components;
  const measured = new Map<Family, { readonly address: string; readonly hops: number | undefined }>();
  const running = new Map<Family, Promise<void>>();

  const measure = async (family: Family, address: string): Promise<void> => {
    measured.set(family, { address, hops: undefined });
    const way = await underlay.routeTo(address);
    if (!way) {
      measured.delete(family);
      return;
    }
    // Seldom needed, and never before the first ping.
    const { measureDistance } = await import('../../nat/distance.js');
    const random = (bytes: number) => Uint8Array.from(randomBytes(bytes));
    const options = { family, interface: way.interface, address, signal };
    const hops = await measureDistance({ underlay, clock, random }, options);
    if (measured.get(family)?.address === address) measured.set(family, { address, hops });
    logger.debug({ device: device.name, family: `ipv${family}`, hops: hops ?? 'unknown' }, 'way to the outermost NAT');
  };

  return {
    of(family) {
      const hops = measured.get(family)?.hops;
      return hops === undefined ? UNMEASURED : hops + 1;
    },
    follow() {
      for (const family of [4, 6] as const) {
        const found = localCandidate(device.candidates, 'reflexive', family);
        if (!found?.natted || running.has(family) || measured.get(family)?.address === found.endpoint.address) continue;
        const job = measure(family, found.endpoint.address)
          .catch((error) => {
            if (!signal.aborted) logger.debug({ device: device.name, error }, 'way to the outermost NAT not measured');
          })
          .finally(() => running.delete(family));
        running.set(family, job);
      }
    },
    forget: () => measured.clear(),
    async stop() {
      await Promise.all(running.values());
    },
  };
}
