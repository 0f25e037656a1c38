/** Finds out how the NATs before a WireGuard device behave: from its port, with its mark, by its way out. */
import type { Clock, Device, Endpoint, Family } from '../api/index.js';
import { parseAddress } from '../net/index.js';
import type { Agent } from '../stun/agent.js';
import { parseServer } from '../stun/servers.js';
import type { Underlay } from '../underlay/underlay.js';
import { discoverNatBehaviour } from './behaviour.js';
import type { NatBehaviour, NatParts } from './behaviour-types.js';
import { measureDistance } from './distance.js';

export interface DeviceNatParts {
  readonly underlay: Underlay;
  readonly agent: Agent;
  readonly clock: Clock;
  readonly resolve: NatParts['resolve'];
  /** Unpredictable bytes. */
  random(bytes: number): Uint8Array;
}

export interface DeviceNatOptions {
  readonly family: Family;
  readonly device: Pick<Device, 'listenPort' | 'peers'>;
  /** "host:port" of the STUN servers. */
  readonly servers: readonly string[];
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
  const { underlay, agent, clock, resolve, random } = parts;
  const { family, device, signal } = o;
  const way = await underlay.routeTo(numericServer(o.servers, family) ?? ANYWHERE[family]);
  return discoverNatBehaviour(
    {
      agent,
      resolve,
      refuseServer: underlay.refusal,
      clock,
    },
    {
      family,
      listenPort: device.listenPort,
      servers: o.servers,
      ownAddresses: await underlay.ownAddresses(),
      tunnelAddresses: await underlay.tunnelAddresses(),
      contacted: [
        ...[...device.peers.values()].flatMap(({ endpoint }) => (endpoint ? [endpoint.address] : [])),
        ...(o.contacted ?? []),
      ],
      ...(way ? { sourceAddress: way.source } : {}),
      ...(way && o.distance !== false
        ? {
            distance: ({ address }: Endpoint) =>
              measureDistance({ underlay, clock, random }, { family, interface: way.interface, address, signal }),
          }
        : {}),
      beforeFirewall: underlay.beforeFirewall,
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
