/** Gets a mapping of WireGuard's port for each family, renews it, notices when the router lost it, and releases it (F50 to F59). Loaded only where it is wanted. */
import { randomBytes } from 'node:crypto';
import type { Family } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { localCandidate, withCandidate, withoutCandidate } from '../../paths/candidate.js';
import { createFault } from '../../peers/faults.js';
import type { Gateway } from '../../portmap/gateway.js';
import { type Failure, type Mapping, PORTMAP_PROTOCOLS } from '../../portmap/mapping.js';
import { createRouter, type Router } from '../../portmap/router.js';
import { portmapFault } from '../../portmap/verdict.js';
import type { DeviceComponents } from '../device-components.js';
import { createPauses } from './pauses.js';

/** F53: an epoch is asked for once a minute; UPnP has none, and its mapping is looked at. */
const INQUIRE_MS = { pcp: 60_000, 'nat-pmp': 60_000, upnp: 600_000 } as const;
/** A mapping without a lease is asked for again all the same. */
const PERMANENT_MS = 3_600_000;
/** After a renewal that failed, and where the budget of packets was used up. */
const SOON_MS = 60_000;
/** A peer that stays unreached has us ask again after so long, and after twice as long each time. */
const UNREACHED_MS = 30_000;
const MOST_UNREACHED_MS = 1_800_000;
/** At the end, for all of them. */
const RELEASE_MS = 1_000;
const FAMILIES: readonly Family[] = [4, 6];

export interface MappingKeeper {
  /** Does what is due. */
  work(): Promise<void>;
  /** Monotonic milliseconds; infinite: nothing, before something changes. */
  readonly dueAt: number;
  /** The router may be another one. */
  networkChanged(): void;
  /** Some peer has been unreached for so long (0: none), milliseconds. */
  unreached(forMs: number): void;
  /** The configuration changed: what failed before may be tried. */
  reconfigured(): void;
  /** Releases all there is, but what outlives us, within a second. */
  release(): Promise<void>;
}

export interface MappingKeeperComponents
  extends Pick<
    DeviceComponents,
    'device' | 'clock' | 'logger' | 'underlay' | 'serverAddress' | 'emit' | 'signal' | 'stateChanged'
  > {
  /** What we should tell of our addresses changed. */
  onChange(): void;
}

interface Times {
  readonly renewAt: number;
  readonly inquireAt: number;
  readonly expiresAt: number;
}

export function createMappingKeeper(components: MappingKeeperComponents): MappingKeeper {
  const { device, clock, logger, underlay, serverAddress, emit, signal, stateChanged, onChange } = components;
  const entry = device.portMapping;
  const pauses = createPauses(clock);
  const times = new Map<Family, Times>();
  /** Asked for now, whatever the schedule says. */
  const pressing = new Set<Family>();
  const failures = new Map<Family, readonly Failure[]>();
  const gateways = new Map<Family, string | undefined>();
  const router: Router = createRouter({
    underlay,
    clock,
    random: (bytes) => Uint8Array.from(randomBytes(bytes)),
    note: (what) => logger.debug({ device: device.name }, `port mapping: passed over: ${what}`),
  });

  const reflexive = (family: Family) => localCandidate(device.candidates, 'reflexive', family);
  /** Behind no NAT the router is somebody else's; a firewall for IPv6 is not seen by its addresses. */
  const isWanted = (family: Family): boolean => {
    if (device.config.portMapping.length === 0 || serverAddress(family) === undefined) return false;
    if (family === 6) return device.config.portMapping.includes('pcp') && reflexive(6) !== undefined;
    return entry.granted.has(4) || reflexive(4)?.natted === true;
  };
  const key = (family: Family, what: string) => `${family} ${what}`;
  const able = (family: Family) =>
    PORTMAP_PROTOCOLS.filter((one) => device.config.portMapping.includes(one) && (family === 4 || one === 'pcp'));

  const setCandidate = (family: Family, mapping: Mapping | undefined): void => {
    const before = localCandidate(device.candidates, 'mapped', family)?.endpoint;
    const endpoint = mapping && { family, address: mapping.externalAddress, port: mapping.externalPort };
    device.candidates =
      mapping && endpoint
        ? withCandidate(device.candidates, { type: 'mapped', endpoint, foundBy: mapping.protocol, at: clock.now() })
        : withoutCandidate(device.candidates, 'mapped', family);
    if (sameEndpoint(before, endpoint)) return;
    device.generation += 1;
    const { protocol, gateway, leaseSeconds } = mapping ?? {};
    const told = endpoint ? { endpoint: formatEndpoint(endpoint), protocol, gateway, leaseSeconds } : {};
    logger.info(
      { device: device.name, family: `ipv${family}`, ...told },
      endpoint ? 'the router maps a port to WireGuard' : 'no port is mapped any more',
    );
    emit('mapping', undefined, { family: `ipv${family}`, ...told });
    onChange();
  };

  const grant = (family: Family, mapping: Mapping): void => {
    const now = clock.now();
    const leaseMs = mapping.leaseSeconds * 1_000;
    const permanent = leaseMs === 0;
    times.set(family, {
      renewAt: now + (permanent ? PERMANENT_MS : leaseMs / 2),
      inquireAt: now + INQUIRE_MS[mapping.protocol],
      expiresAt: permanent ? Number.POSITIVE_INFINITY : now + leaseMs,
    });
    entry.granted.set(family, { mapping, wallUntil: permanent ? undefined : clock.wallNow() + leaseMs });
    entry.known.set(family, mapping);
    setCandidate(family, mapping);
    stateChanged();
  };

  const drop = (family: Family): void => {
    if (!entry.granted.delete(family)) return;
    times.delete(family);
    setCandidate(family, undefined);
    stateChanged();
  };

  /** `once`: whatever the router says, it is not asked again. */
  const releaseOne = async (family: Family, within: AbortSignal, once = false): Promise<void> => {
    const handle = entry.known.get(family);
    const server = serverAddress(family);
    drop(family);
    if (!handle || server === undefined) return;
    const gateway = await router.find(family, server).catch(() => undefined);
    // In another network it ends by its lease.
    const released = gateway?.address === handle.gateway && (await router.release(gateway, handle, within));
    if (gateway && (released || once || gateway.address !== handle.gateway)) entry.known.delete(family);
    stateChanged();
  };

  const note = (): void => {
    const family = reflexive(4) ? 4 : 6;
    const error =
      isWanted(family) && !entry.granted.has(family) && failures.has(family)
        ? portmapFault(failures.get(family) ?? [], gateways.get(family))
        : undefined;
    const before = entry.fault;
    entry.fault = error && createFault(error, clock.wallNow());
    if (!error || before?.message === error.message) return;
    logger.warn({ device: device.name, error }, 'no port is mapped');
    emit('fault', undefined, { code: error.code, message: error.message });
  };

  const ask = async (family: Family, gateway: Gateway): Promise<void> => {
    const { facts } = device;
    const held = entry.granted.get(family)?.mapping;
    const seen = reflexive(family)?.endpoint;
    const external = seen ?? (held && { address: held.externalAddress, port: 0 });
    if (!facts || !external) return;
    const now = clock.now();
    const own = entry.known.get(family);
    const due = able(family).filter((one) => one === held?.protocol || pauses.until(key(family, one)) <= now);
    const wish = {
      key: facts.publicKey,
      internalPort: facts.listenPort,
      reflexive: external,
      ...(own ? { own } : {}),
    };
    const acquired = await router.map(gateway, wish, new Set(due), signal);
    if (signal.aborted) return;
    const doubleNat = acquired.failures.some(({ kind }) => kind === 'double-nat');
    for (const { protocol, kind } of acquired.failures) {
      if (kind === 'held') pauses.hold(key(family, protocol), SOON_MS);
      else if (!doubleNat) pauses.failed(key(family, protocol));
    }
    if (doubleNat) for (const protocol of able(family)) pauses.failed(key(family, protocol));
    if (acquired.mapping) {
      failures.delete(family);
      pauses.settled(key(family, acquired.mapping.protocol));
      grant(family, acquired.mapping);
      return;
    }
    if (acquired.failures.some(({ kind }) => kind !== 'held')) failures.set(family, acquired.failures);
    const left = times.get(family);
    // What was granted holds until its lease ends, unless the router shows that nobody gets in by it.
    if (doubleNat) drop(family);
    else if (left) {
      const pause = Math.max(SOON_MS, (Math.min(left.expiresAt, clock.now() + PERMANENT_MS) - clock.now()) / 2);
      times.set(family, { ...left, renewAt: clock.now() + pause });
    }
  };

  /** True: it is there still, as far as the router tells. */
  const isKept = async (family: Family, gateway: Gateway, mapping: Mapping): Promise<boolean> => {
    const inquiry = await router.inquire(gateway, mapping, signal);
    const left = times.get(family);
    if (left) times.set(family, { ...left, inquireAt: clock.now() + INQUIRE_MS[mapping.protocol] });
    if (inquiry.kind === 'kept' && inquiry.epoch) {
      const known = entry.granted.get(family);
      if (known?.mapping === mapping)
        entry.granted.set(family, { ...known, mapping: { ...mapping, epoch: inquiry.epoch } });
    }
    if (inquiry.kind !== 'lost') return true;
    logger.info({ device: device.name, gateway: gateway.address }, 'the router forgot its mappings: asking again');
    return false;
  };

  /** STUN sees another address now (F50). */
  const isMoved = ({ family, externalAddress }: Mapping): boolean => {
    const seen = reflexive(family)?.endpoint.address;
    return seen !== undefined && seen !== externalAddress;
  };

  const lookAfter = async (family: Family): Promise<void> => {
    const { facts } = device;
    const server = serverAddress(family);
    if (!facts || server === undefined || !isWanted(family)) return;
    const held = entry.granted.get(family)?.mapping;
    const now = clock.now();
    if (held && held.internalPort !== facts.listenPort) await releaseOne(family, signal);
    else if ((held && isMoved(held)) || now >= (times.get(family)?.expiresAt ?? 0)) drop(family);
    if (held && !entry.granted.has(family)) pressing.add(family);
    if (now < dueFor(family)) return;
    const gateway = await router.find(family, server).catch(() => undefined);
    if (gateways.get(family) !== gateway?.address) pauses.clear();
    gateways.set(family, gateway?.address);
    if (!gateway) {
      drop(family);
      failures.set(family, []);
      pauses.failed(key(family, 'gateway'));
      pressing.delete(family);
      return;
    }
    pauses.settled(key(family, 'gateway'));
    const mapping = entry.granted.get(family)?.mapping;
    if (mapping && mapping.gateway !== gateway.address) drop(family);
    else if (mapping && !pressing.has(family) && now < (times.get(family)?.renewAt ?? 0)) {
      if (await isKept(family, gateway, mapping)) return;
    }
    pressing.delete(family);
    await ask(family, gateway);
  };

  const dueFor = (family: Family): number => {
    const held = entry.granted.get(family)?.mapping;
    if (pressing.has(family) || (held && (isMoved(held) || held.internalPort !== device.facts?.listenPort))) return 0;
    const { renewAt = 0, inquireAt = 0 } = times.get(family) ?? {};
    if (held) return Math.min(renewAt, inquireAt);
    const protocols = able(family).map((one) => pauses.until(key(family, one)));
    return Math.max(pauses.until(key(family, 'gateway')), Math.min(...protocols));
  };

  let unreachedPause = UNREACHED_MS;
  let unreachedAt = Number.NEGATIVE_INFINITY;

  return {
    async work() {
      if (!device.facts || device.down) return;
      for (const family of FAMILIES) {
        if (device.config.portMapping.length === 0) await releaseOne(family, signal, true);
        else await lookAfter(family);
      }
      note();
    },
    get dueAt() {
      const never = Number.POSITIVE_INFINITY;
      if (device.config.portMapping.length === 0)
        return [...entry.known.keys()].some((family) => serverAddress(family) !== undefined) ? 0 : never;
      return Math.min(...FAMILIES.map((family) => (isWanted(family) ? dueFor(family) : never)));
    },
    networkChanged() {
      pauses.clear();
      for (const family of FAMILIES) pressing.add(family);
    },
    unreached(forMs) {
      if (forMs < UNREACHED_MS) {
        if (forMs === 0) unreachedPause = UNREACHED_MS;
        return;
      }
      if (clock.now() - unreachedAt < unreachedPause) return;
      unreachedAt = clock.now();
      unreachedPause = Math.min(2 * unreachedPause, MOST_UNREACHED_MS);
      for (const family of entry.granted.keys()) pressing.add(family);
    },
    reconfigured: () => pauses.clear(),
    async release() {
      using limit = clock.deadline(RELEASE_MS);
      // F54: one without a lease would stay for ever.
      const stays = (family: Family): boolean =>
        entry.outlivesUs && (entry.granted.get(family)?.mapping.leaseSeconds ?? 0) > 0;
      const ours = FAMILIES.filter((family) => !stays(family));
      await Promise.all(ours.map((family) => releaseOne(family, limit.signal)));
    },
  };
}
