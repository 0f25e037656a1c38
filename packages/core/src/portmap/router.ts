/** The router before a device: found by the way of the device's own packets, and asked for WireGuard's port. Loaded only where somebody asks. */
import type { Clock, Family, PublicKey } from '../api/index.js';
import type { PortmapProtocol } from '../config/index.js';
import { isLinkLocal } from '../net/index.js';
import type { Underlay } from '../underlay/underlay.js';
import { type Acquired, acquire, findProtocol, inquire, release } from './acquire.js';
import { chooseExternalPort } from './codec/external-port.js';
import { createPacketBudgets, type Gateway, type PacketBudget } from './gateway.js';
import type { Inquiry, Mapping, MappingHandle } from './mapping.js';

/** F42: of all that is sent to a router; the last of them are for releasing. */
const PACKETS_A_MINUTE = 12;
const BUT_RELEASES = 10;
/** Different remarks that are remembered. */
const MOST_NOTES = 32;

export interface RouterParts {
  readonly underlay: Pick<Underlay, 'routeTo' | 'openDatagramSocket' | 'connectTcp'>;
  readonly clock: Clock;
  random(bytes: number): Uint8Array;
  /** As Gateway.note; each remark once. */
  note(what: string): void;
}

export interface Wish {
  readonly key: PublicKey;
  readonly internalPort: number;
  readonly reflexive: { readonly address: string; readonly port: number };
  /** What we have, or had: asked for again. */
  readonly own?: MappingHandle;
}

export interface Router {
  /** The gateway on the way to this address; undefined: there is none, it is on the link. Errors: those of the capture. */
  find(family: Family, to: string): Promise<Gateway | undefined>;
  /** Never rejects. */
  map(gateway: Gateway, wish: Wish, protocols: ReadonlySet<PortmapProtocol>, signal: AbortSignal): Promise<Acquired>;
  /** The first protocol that it answers; nothing is mapped. Never rejects. */
  speaks(gateway: Gateway, signal: AbortSignal): Promise<PortmapProtocol | undefined>;
  /** Never rejects. */
  inquire(gateway: Gateway, mapping: Mapping, signal: AbortSignal): Promise<Inquiry>;
  /** True: the router says that it is gone. Never rejects. */
  release(gateway: Gateway, handle: MappingHandle, signal: AbortSignal): Promise<boolean>;
}

export function createRouter(parts: RouterParts): Router {
  const { underlay, clock, random } = parts;
  const [usual, last] = createPacketBudgets(clock, BUT_RELEASES, PACKETS_A_MINUTE) as [PacketBudget, PacketBudget];
  const noted = new Set<string>();

  const bind = (family: Family, address: string, source: string, zone: string | undefined): Gateway => {
    const at = (port: number) => ({ family, address, port, ...(zone === undefined ? {} : { zone }) });
    return {
      family,
      address,
      source,
      clock,
      budget: usual,
      random,
      // The router maps to the address that the question comes from.
      openDatagramSocket: (port, on) => underlay.openDatagramSocket({ to: at(port), from: source, ...on }),
      connectTcp: (port, signal) => underlay.connectTcp({ to: at(port), signal }),
      note(what) {
        const text = `${what} (router ${address})`;
        if (noted.has(text) || noted.size >= MOST_NOTES) return;
        noted.add(text);
        parts.note(text);
      },
    };
  };

  return {
    async find(family, to) {
      const way = await underlay.routeTo(to);
      if (!way?.gateway) return undefined;
      if (family === 6)
        return bind(family, way.gateway, way.source, isLinkLocal(way.gateway) ? way.interface : undefined);
      // F58: the address that faces the router may be another one than that which faces the world.
      const inside = await underlay.routeTo(way.gateway);
      return bind(family, way.gateway, inside?.source ?? way.source, undefined);
    },
    map(gateway, { key, internalPort, reflexive, own }, protocols, signal) {
      const mine = own?.gateway === gateway.address && own.internalPort === internalPort ? own : undefined;
      // Some routers send all that comes from the mapped port by the mapping: then STUN sees it too.
      const seen = mine?.externalPort === reflexive.port ? [] : [reflexive.port];
      const taken = [internalPort, ...seen];
      const again = mine && mine.externalPort !== internalPort ? mine.externalPort : undefined;
      const request = {
        family: gateway.family,
        internalPort,
        reflexiveAddress: reflexive.address,
        taken,
        externalPort: (attempt: number) =>
          attempt === 0 && again !== undefined ? again : chooseExternalPort(key, taken, attempt),
        ...(mine?.nonce ? { nonce: mine.nonce } : {}),
        ...(mine?.service ? { service: mine.service } : {}),
      };
      return acquire(gateway, request, protocols, signal, mine?.protocol);
    },
    speaks: findProtocol,
    inquire,
    release: (gateway, handle, signal) => release({ ...gateway, budget: last }, handle, signal),
  };
}
