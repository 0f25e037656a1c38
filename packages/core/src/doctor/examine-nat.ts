/** Lets the STUN servers tell about a device's port, with the addresses, routes and peers that this host knows. */
import { type Family, StunmeshError } from '../api/index.js';
import type { InterfaceConfig } from '../config/index.js';
import { parseAddress } from '../net/index.js';
import { discoverNatBehaviour, type NatBehaviour } from '../stun/nat-behaviour.js';
import type { Scene } from './scene.js';

/** Errors: those of device, capture and openStunSocket; ERR_WG_FAILED where the device listens on no port. */
export async function examineNat(scene: Scene, entry: InterfaceConfig, family: Family): Promise<NatBehaviour> {
  const { clock, random, resolve, signal } = scene.parts;
  const [device, capture] = await Promise.all([scene.device(entry.name), scene.capture()]);
  if (device.listenPort === 0)
    throw new StunmeshError(
      'ERR_WG_FAILED',
      `the device ${device.name} listens on no port, so nothing can be asked by it`,
    );
  const servers = scene.config?.stun.addresses ?? [];
  const routeTo = (to: string) => capture.routeTo?.({ to, firewallMark: device.firewallMark });
  const source = await sourceTowards(servers);
  const peers = [...device.peers.values()].flatMap(({ endpoint }) => (endpoint ? [endpoint.address] : []));
  return discoverNatBehaviour(
    {
      openSocket: (on) =>
        capture.openStunSocket({
          family,
          localPort: device.listenPort,
          excludeDevice: device.realName,
          firewallMark: device.firewallMark,
          ...(entry.fib === undefined ? {} : { fib: entry.fib }),
          ...(entry.listenInterfaces.length === 0 ? {} : { interfaces: entry.listenInterfaces }),
          defaultRouteOnly: entry.listenDefaultRoute,
          signal,
          ...on,
        }),
      resolve,
      async refuseServer(address) {
        return (await routeTo(address))?.interface === device.realName
          ? 'its route leaves by the tunnel itself'
          : undefined;
      },
      clock,
      random,
    },
    {
      family,
      listenPort: device.listenPort,
      servers,
      ownAddresses: (await scene.hostInterfaces()).flatMap((i) => i.addresses.map(({ address }) => address)),
      contacted: peers,
      ...(source === undefined ? {} : { sourceAddress: source }),
      beforeFirewall: capture.name === 'bsd',
      signal,
    },
  );

  /** By the first server that is an address already; a name would have to be resolved for it alone. */
  async function sourceTowards(names: readonly string[]): Promise<string | undefined> {
    const length = family === 4 ? 4 : 16;
    const hosts = names.map((name) => name.replace(/:\d+$/, '').replace(/^\[|\]$/g, ''));
    const host = hosts.find((text) => parseAddress(text)?.length === length);
    const fallback = family === 4 ? '192.0.2.1' : '2001:db8::1';
    return (await routeTo(host ?? fallback))?.source;
  }
}
