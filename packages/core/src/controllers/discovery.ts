/** Finds a device's reflexive address by the capture module and the configured STUN servers, remembering which one answered (F2, F5). */
import { randomBytes } from 'node:crypto';
import {
  type CaptureModule,
  type Clock,
  type Endpoint,
  type Family,
  type NetInterface,
  StunmeshError,
} from '../api/index.js';
import { discover } from '../stun/discover.js';
import type { Controllers, Discover } from './context.js';
import type { DeviceEntry } from './peer-table.js';

export interface DiscoveryParts {
  readonly capture: CaptureModule;
  readonly clock: Clock;
  readonly resolve: Controllers['resolve'];
  interfaces(): Promise<readonly NetInterface[]>;
  /** "host:port" of the servers, as configured now. */
  servers(): readonly string[];
}

export function createDiscovery(parts: DiscoveryParts): {
  readonly discover: Discover;
  readonly serverAddress: Controllers['serverAddress'];
} {
  const { capture, clock } = parts;
  const preferred = new Map<string, { readonly server: string; readonly address: Endpoint }>();
  const keyOf = (device: DeviceEntry, family: Family) => `${device.name}/${family}`;

  return {
    serverAddress: (device, family) => preferred.get(keyOf(device, family))?.address.address,
    async discover(device, family, signal) {
      const { facts, config } = device;
      if (!facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${device.name} is not there`);
      if (facts.listenPort === 0) {
        throw new StunmeshError(
          'ERR_WG_FAILED',
          `the device ${device.name} listens on no port; bring it up, or give it a ListenPort`,
        );
      }
      const last = preferred.get(keyOf(device, family));
      const found = await discover({
        family,
        listenPort: facts.listenPort,
        servers: parts.servers(),
        ...(last ? { preferred: last.server, preferredAddress: last.address } : {}),
        openSocket: (on) =>
          capture.openStunSocket({
            family,
            localPort: facts.listenPort,
            excludeDevice: facts.realName,
            firewallMark: facts.firewallMark,
            ...(config.fib === undefined ? {} : { fib: config.fib }),
            ...(config.listenInterfaces.length === 0 ? {} : { interfaces: config.listenInterfaces }),
            defaultRouteOnly: config.listenDefaultRoute,
            signal,
            ...on,
          }),
        resolve: parts.resolve,
        ownAddresses: (await parts.interfaces()).flatMap((i) => i.addresses.map((a) => a.address)),
        async refuseServer(address) {
          const route = await capture.routeTo?.({ to: address, firewallMark: facts.firewallMark });
          return route?.interface === facts.realName ? 'its route leaves by the tunnel itself' : undefined;
        },
        clock,
        random: (bytes) => Uint8Array.from(randomBytes(bytes)),
        signal,
      });
      preferred.set(keyOf(device, family), { server: found.server, address: found.serverAddress });
      return found;
    },
  };
}
