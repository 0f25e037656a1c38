/** Finds a device's reflexive address by the capture module and the configured STUN servers, remembering which one answered (F2, F5). */
import { randomBytes } from 'node:crypto';
import {
  type CaptureModule,
  type Clock,
  type Endpoint,
  type Family,
  type Logger,
  type NetInterface,
  StunmeshError,
} from '../../api/index.js';
import type { NatBehaviour } from '../../nat/behaviour-types.js';
import type { DeviceEntry } from '../../peers/peer-table.js';
import { discover } from '../../stun/discover.js';
import type { Controllers, Discover } from '../device-components.js';

/** Different remarks of a capture that are remembered, so that none is logged twice. */
const NOTICES = 64;

export interface DiscoveryParts {
  readonly capture: CaptureModule;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly resolve: Controllers['resolve'];
  interfaces(): Promise<readonly NetInterface[]>;
  /** "host:port" of the servers, as configured now. */
  servers(): readonly string[];
}

export function createDiscovery(parts: DiscoveryParts): {
  readonly discover: Discover;
  readonly serverAddress: Controllers['serverAddress'];
  examineNat(device: DeviceEntry, family: Family, signal: AbortSignal): Promise<NatBehaviour>;
} {
  const { capture, clock } = parts;
  const preferred = new Map<string, { readonly server: string; readonly address: Endpoint }>();
  const noticed = new Map<string, Set<string>>();
  const keyOf = (device: DeviceEntry, family: Family) => `${device.name}/${family}`;
  /** Each once: discoveries come often, and what is wrong stays wrong. */
  const notice = (device: DeviceEntry, family: Family, error: StunmeshError) => {
    const told = noticed.get(keyOf(device, family)) ?? new Set();
    noticed.set(keyOf(device, family), told);
    if (told.has(error.message)) return;
    if (told.size >= NOTICES) told.clear();
    told.add(error.message);
    parts.logger.warn({ device: device.name, error }, 'the capture works, but for this');
  };

  return {
    serverAddress: (device, family) => preferred.get(keyOf(device, family))?.address.address,
    async examineNat({ name, facts, config }, family, signal) {
      if (!facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${name} is not there`);
      // Seldom needed, and never before the first ping.
      const { discoverDeviceNat } = await import('../../nat/examination.js');
      return discoverDeviceNat(
        { capture, clock, resolve: parts.resolve, random: (bytes) => Uint8Array.from(randomBytes(bytes)) },
        {
          family,
          device: facts,
          config,
          servers: parts.servers(),
          ownAddresses: (await parts.interfaces()).flatMap((i) => i.addresses.map((a) => a.address)),
          distance: false,
          signal,
        },
      );
    },
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
            clock,
            signal,
            onNotice: (error) => notice(device, family, error),
            ...on,
          }),
        resolve: parts.resolve,
        ownAddresses: (await parts.interfaces()).flatMap((i) => i.addresses.map((a) => a.address)),
        async refuseServer(address) {
          const { firewallMark } = facts;
          const route = await capture.routeTo?.({
            to: address,
            firewallMark,
            ...(config.fib === undefined ? {} : { fib: config.fib }),
          });
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
