/** Gathers our reflexive addresses into the table, by the configured STUN servers, remembering which one answered (F2, F5, F15). */
import { type Endpoint, type Family, hasCode, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { localCandidate, withCandidate, withoutCandidate } from '../../paths/candidate.js';
import { DEVICE_FAMILIES } from '../../paths/families.js';
import { asStunmeshError, createFault } from '../../peers/faults.js';
import { discover } from '../../stun/discover.js';
import type { DeviceComponents } from '../device-components.js';
import { createDisagreements } from './disagreement.js';
import type { LocalCandidates } from './local-candidates.js';

/** Remarks that are remembered; more are not logged. */
const NOTICES = 64;

export interface Gather {
  /** One discovery for each family. True when a reflexive candidate is another than before; a family that fails keeps its fault and is left out. */
  gather(): Promise<boolean>;
}

export interface GatherComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'discover' | 'emit' | 'signal'> {
  /** All other addresses of this host. */
  readonly local?: LocalCandidates;
  /** Most STUN servers see another address than the one that was found first. */
  outvoted(): void;
}

export function createGather(components: GatherComponents): Gather {
  const { device, clock, logger, discover: ask, emit, signal } = components;
  const onWitnesses = createDisagreements(components);

  const found = async (family: Family): Promise<boolean> => {
    const before = localCandidate(device.candidates, 'reflexive', family);
    const { endpoint, mapped, server, rttMs, natted, witnesses } = await ask(family, signal);
    void witnesses?.then((verdict) => onWitnesses(family, verdict));
    const candidate = { type: 'reflexive', endpoint, foundBy: server, at: clock.now(), rttMs, natted } as const;
    device.candidates = withCandidate(device.candidates, candidate);
    device.lastReflexive.set(family, { endpoint, at: clock.wallNow() });
    device.faults.delete(family);
    if (sameEndpoint(before?.endpoint, endpoint)) return false;
    const text = formatEndpoint(endpoint);
    logger.info(
      { device: device.name, endpoint: text, server, rttMs: Math.round(rttMs), nat: natted },
      'reflexive address',
    );
    if (!natted && !sameEndpoint(mapped, endpoint)) {
      logger.info(
        { device: device.name, endpoint: text, probe: formatEndpoint(mapped) },
        "no NAT in front: this host's own masquerade rewrites the probe, not WireGuard",
      );
    }
    emit('reflexive', undefined, { family: `ipv${family}`, endpoint: text, server });
    return true;
  };

  const failed = (family: Family, error: unknown): boolean => {
    if (signal.aborted) return false;
    const before = localCandidate(device.candidates, 'reflexive', family);
    const fault = asStunmeshError(error);
    const known = device.faults.get(family)?.code === fault.code;
    device.faults.set(family, createFault(fault, clock.wallNow()));
    device.candidates = withoutCandidate(device.candidates, 'reflexive', family);
    device.disagreements.delete(family);
    logger[known ? 'debug' : 'warn'](
      { device: device.name, family: `ipv${family}`, error: fault },
      'no reflexive address',
    );
    if (!known) emit('fault', undefined, { family: `ipv${family}`, code: fault.code, message: fault.message });
    return before !== undefined;
  };

  return {
    async gather() {
      if (!device.facts || device.down) return false;
      device.discoveries += 1;
      const families = DEVICE_FAMILIES[device.config.protocol];
      const reflexive = Promise.all(families.map((family) => found(family).catch((error) => failed(family, error))));
      await components.local?.gather(families, reflexive);
      return (await reflexive).includes(true);
    },
  };
}

export interface DiscoveryComponents
  extends Pick<DeviceComponents, 'device' | 'underlay' | 'agent' | 'clock' | 'logger' | 'resolve'> {
  /** "host:port" of the servers, as configured now. */
  servers(): readonly string[];
}

/** Asks the STUN servers from the device's own port. */
export function createDiscovery(components: DiscoveryComponents): Pick<DeviceComponents, 'discover' | 'serverAddress'> {
  const { device, underlay, agent, clock, resolve } = components;
  const preferred = new Map<Family, { readonly server: string; readonly address: Endpoint }>();
  /** Servers that the others contradicted when they were last heard. */
  const distrusted = new Map<Family, ReadonlySet<string>>();
  /** Each once: a discovery comes often, and what is odd stays so. */
  const noticed = new Set<string>();
  const notice = (device: string, error: StunmeshError): void => {
    if (noticed.has(error.message) || noticed.size >= NOTICES) return;
    noticed.add(error.message);
    components.logger.warn({ device, error }, 'an odd STUN server');
  };

  /** What was found, or that nothing was, may be a proxy's doing. */
  const noteStandIn = (family: Family, error: StunmeshError | undefined): void => {
    if (error) device.standIns.set(family, createFault(error, clock.wallNow()));
    else device.standIns.delete(family);
  };

  return {
    serverAddress: (family) => preferred.get(family)?.address.address,
    async discover(family, signal) {
      const { name, facts } = device;
      if (!facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${name} is not there`);
      if (facts.listenPort === 0) {
        throw new StunmeshError(
          'ERR_WG_FAILED',
          `the device ${name} listens on no port; bring it up, or give it a ListenPort`,
        );
      }
      const last = preferred.get(family);
      const standIns = new Map<unknown, StunmeshError>();
      const found = await discover({
        family,
        listenPort: facts.listenPort,
        servers: components.servers(),
        ...(last ? { preferred: last.server, preferredAddress: last.address } : {}),
        distrusted: distrusted.get(family) ?? new Set(),
        agent,
        resolve,
        ownAddresses: await underlay.ownAddresses(),
        tunnelAddresses: await underlay.tunnelAddresses(),
        refuseServer: underlay.refusal,
        onNotice(error) {
          if (hasCode(error, 'ERR_STUN_STAND_IN')) standIns.set(error.details['server'], error);
          notice(name, error);
        },
        clock,
        signal,
      }).catch((error: unknown) => {
        noteStandIn(family, [...standIns.values()][0]);
        throw error;
      });
      noteStandIn(family, standIns.get(found.server));
      preferred.set(family, { server: found.server, address: found.serverAddress });
      const witnesses = found.witnesses.then((verdict) => {
        if (!verdict) return undefined;
        const { kept, majority, outliers } = verdict;
        const configured = components.servers();
        // One that is no longer configured can contradict nobody.
        const gone = [...(distrusted.get(family) ?? [])].filter((server) => !configured.includes(server));
        const heard = new Set([...verdict.heard, ...gone]);
        if (majority) {
          // Silence takes nothing back: the next discovery would fall for the same lie.
          const unheard = [...(distrusted.get(family) ?? [])].filter((server) => !heard.has(server));
          distrusted.set(family, new Set([...outliers.map(({ server }) => server), ...unheard]));
          if (kept.mapped.address !== found.mapped.address)
            preferred.set(family, { server: kept.server, address: kept.serverAddress });
        }
        return { ...verdict, heard };
      });
      return { ...found, witnesses };
    },
  };
}
