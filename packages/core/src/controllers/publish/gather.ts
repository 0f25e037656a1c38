/** Finds a device's reflexive address by the configured STUN servers, remembering which one answered (F2, F5). */
import { randomBytes } from 'node:crypto';
import { type Clock, type Endpoint, type Family, StunmeshError } from '../../api/index.js';
import type { NatBehaviour } from '../../nat/behaviour-types.js';
import type { DeviceEntry } from '../../peers/peer-table.js';
import type { Agent } from '../../stun/agent.js';
import { discover } from '../../stun/discover.js';
import type { Underlay } from '../../underlay/underlay.js';
import type { Controllers, Discover } from '../device-components.js';

export interface DiscoveryParts {
  readonly underlay: Underlay;
  readonly agent: Agent;
  readonly clock: Clock;
  readonly resolve: Controllers['resolve'];
  /** "host:port" of the servers, as configured now. */
  servers(): readonly string[];
}

export interface DeviceDiscovery {
  readonly discover: Discover;
  readonly serverAddress: Controllers['serverAddress'];
  examineNat(device: DeviceEntry, family: Family, signal: AbortSignal): Promise<NatBehaviour>;
}

/** Of one device, which the underlay is of. */
export function createDiscovery(parts: DiscoveryParts): DeviceDiscovery {
  const { underlay, agent, clock, resolve } = parts;
  const preferred = new Map<Family, { readonly server: string; readonly address: Endpoint }>();
  /** Servers that the others contradicted last time. */
  const distrusted = new Map<Family, ReadonlySet<string>>();
  const random = (bytes: number) => Uint8Array.from(randomBytes(bytes));

  return {
    serverAddress: (_, family) => preferred.get(family)?.address.address,
    async examineNat({ name, facts }, family, signal) {
      if (!facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${name} is not there`);
      // Seldom needed, and never before the first ping.
      const { discoverDeviceNat } = await import('../../nat/examination.js');
      return discoverDeviceNat(
        { underlay, agent, clock, resolve, random },
        { family, device: facts, servers: parts.servers(), distance: false, signal },
      );
    },
    async discover({ name, facts }, family, signal) {
      if (!facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${name} is not there`);
      if (facts.listenPort === 0) {
        throw new StunmeshError(
          'ERR_WG_FAILED',
          `the device ${name} listens on no port; bring it up, or give it a ListenPort`,
        );
      }
      const last = preferred.get(family);
      const found = await discover({
        family,
        listenPort: facts.listenPort,
        servers: parts.servers(),
        ...(last ? { preferred: last.server, preferredAddress: last.address } : {}),
        distrusted: distrusted.get(family) ?? new Set(),
        agent,
        resolve,
        ownAddresses: await underlay.ownAddresses(),
        tunnelAddresses: await underlay.tunnelAddresses(),
        refuseServer: underlay.refusal,
        clock,
        random,
        signal,
      });
      preferred.set(family, { server: found.server, address: found.serverAddress });
      const witnesses = found.witnesses.then((verdict) => {
        if (verdict?.majority) {
          const { kept, outliers } = verdict;
          distrusted.set(family, new Set(outliers.map(({ server }) => server)));
          if (kept.mapped.address !== found.mapped.address)
            preferred.set(family, { server: kept.server, address: kept.serverAddress });
        }
        return verdict;
      });
      return { ...found, witnesses };
    },
  };
}
