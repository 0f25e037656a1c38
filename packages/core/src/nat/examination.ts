/** Finds out how the NATs before a WireGuard device behave, by the capture module: its port, its mark, its way out. */
import type { CaptureModule, Clock, Device, Endpoint, Family } from '../api/index.js';
import { parseAddress } from '../net/index.js';
import { parseServer } from '../stun/servers.js';
import { discoverNatBehaviour } from './behaviour.js';
import type { NatBehaviour, NatParts } from './behaviour-types.js';
import { measureDistance } from './distance.js';

export interface DeviceNatParts {
  readonly capture: CaptureModule;
  readonly clock: Clock;
  readonly resolve: NatParts['resolve'];
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array;
}

export interface DeviceNatOptions {
  readonly family: Family;
  readonly device: Pick<Device, 'realName' | 'listenPort' | 'firewallMark' | 'peers'>;
  /** As configured for the device. */
  readonly config: {
    readonly fib?: number;
    readonly listenInterfaces: readonly string[];
    readonly listenDefaultRoute: boolean;
  };
  /** "host:port" of the STUN servers. */
  readonly servers: readonly string[];
  /** This host's addresses, of every interface. */
  readonly ownAddresses: readonly string[];
  /** Further addresses that packets went to from this port lately; the peers' endpoints are known. */
  readonly contacted?: readonly string[];
  /** false: double NAT is not looked for by pings. Default: true. */
  readonly distance?: boolean;
  readonly signal: AbortSignal;
}

/** Addresses of no host (RFC 5737, RFC 3849), that stand for any public one where every server has a name. */
const ANYWHERE: Readonly<Record<Family, string>> = { 4: '192.0.2.1', 6: '2001:db8::1' };

/** The device must listen on a port. Errors: those of openStunSocket, ERR_CAPTURE_LOST, or the signal's reason. */
export async function discoverDeviceNat(parts: DeviceNatParts, o: DeviceNatOptions): Promise<NatBehaviour> {
  const { capture, clock, resolve, random } = parts;
  const { family, device, config, signal } = o;
  const routeTo = (to: string) =>
    capture.routeTo?.({
      to,
      firewallMark: device.firewallMark,
      ...(config.fib === undefined ? {} : { fib: config.fib }),
    });
  const way = await routeTo(numericServer(o.servers, family) ?? ANYWHERE[family]);
  return discoverNatBehaviour(
    {
      openSocket: (on) =>
        capture.openStunSocket({
          family,
          localPort: device.listenPort,
          excludeDevice: device.realName,
          firewallMark: device.firewallMark,
          ...(config.fib === undefined ? {} : { fib: config.fib }),
          ...(config.listenInterfaces.length === 0 ? {} : { interfaces: config.listenInterfaces }),
          defaultRouteOnly: config.listenDefaultRoute,
          signal,
          ...on,
        }),
      resolve,
      async refuseServer(address) {
        const route = await routeTo(address);
        return route?.interface === device.realName ? 'its route leaves by the tunnel itself' : undefined;
      },
      clock,
      random,
    },
    {
      family,
      listenPort: device.listenPort,
      servers: o.servers,
      ownAddresses: o.ownAddresses,
      contacted: [
        ...[...device.peers.values()].flatMap(({ endpoint }) => (endpoint ? [endpoint.address] : [])),
        ...(o.contacted ?? []),
      ],
      ...(way ? { sourceAddress: way.source } : {}),
      ...(way && o.distance !== false
        ? {
            distance: ({ address }: Endpoint) =>
              measureDistance({ capture, clock, random }, { family, interface: way.interface, address, signal }),
          }
        : {}),
      // The BSD capture reads in front of pf; raw sockets of Linux stand behind nftables, where WireGuard's own stands.
      beforeFirewall: capture.name === 'bsd',
      signal,
    },
  );
}

function numericServer(servers: readonly string[], family: Family): string | undefined {
  const length = family === 4 ? 4 : 16;
  return servers
    .map((text) => parseServer(text)?.host)
    .find((host) => host !== undefined && parseAddress(host)?.length === length);
}
