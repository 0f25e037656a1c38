/** The candidates of a peer's record as this host may use them: on which links it stands, and which addresses lead back to itself (F19, F47). */
import type { Endpoint, Family, NetInterface } from '../../api/index.js';
import { formatEndpoint, type Prefix, parsePrefix } from '../../net/index.js';
import { DEVICE_FAMILIES, PEER_FAMILIES } from '../../paths/families.js';
import { isLan, type RemoteCandidates, remoteCandidates } from '../../paths/remote-candidates.js';
import type { DeviceEntry, PeerEntry } from '../../peers/peer-table.js';
import type { EndpointRecord } from '../../record/endpoint-record.js';
import { refusedHere } from '../../record/policy.js';
import { ownPlace } from '../../record/reader.js';
import type { Underlay } from '../../underlay/underlay.js';
import type { DeviceComponents } from '../device-components.js';

export interface CheckCandidates {
  /** Those of the device's configuration. */
  families(): readonly Family[];
  /** What is tried of a record. Errors: those of the underlay. */
  of(peer: Pick<PeerEntry, 'config'>, record: EndpointRecord): Promise<RemoteCandidates>;
  /** By the links that were seen last. */
  isLan(endpoint: Endpoint): boolean;
  preferred(peer: PeerEntry): Family;
}

export interface CheckCandidatesComponents extends Pick<DeviceComponents, 'tunnels'> {
  readonly device: Pick<DeviceEntry, 'facts' | 'config'>;
  readonly underlay: Pick<Underlay, 'interfaces' | 'ownAddresses' | 'routeTo'>;
}

export function createCheckCandidates({ device, underlay, tunnels }: CheckCandidatesComponents): CheckCandidates {
  let links: readonly Prefix[] = [];
  const families = () => DEVICE_FAMILIES[device.config.protocol];

  return {
    families,
    preferred: (peer) => PEER_FAMILIES[peer.config.protocol][0],
    isLan: (endpoint) => isLan(endpoint, { links, lan: device.config.lan }),
    async of(peer, record) {
      const { facts } = device;
      if (!facts) return { candidates: [], refused: [] };
      links = linksOf(await underlay.interfaces(), new Set([...(tunnels?.() ?? []), facts.realName]));
      const wanted = new Set<Family>(families().filter((each) => PEER_FAMILIES[peer.config.protocol].includes(each)));
      const rules = { links, lan: device.config.lan, families: wanted };
      const place = await ownPlace(facts, underlay);
      const refused = new Map<string, string>();
      for (const { endpoint } of remoteCandidates(record, { ...rules, refuse: () => undefined }).candidates) {
        const reason = await refusedHere(endpoint, place);
        if (reason !== undefined) refused.set(formatEndpoint(endpoint), reason);
      }
      return remoteCandidates(record, { ...rules, refuse: (endpoint) => refused.get(formatEndpoint(endpoint)) });
    },
  };
}

/** Prefixes of the links that this host is on; one address alone is no link. Bridges of containers and virtual machines count: a peer that
 * runs in one is met there, and who is not it answers no check. */
function linksOf(interfaces: readonly NetInterface[], tunnels: ReadonlySet<string>): readonly Prefix[] {
  return interfaces
    .filter(({ name, up, loopback }) => up && !loopback && !tunnels.has(name))
    .flatMap(({ addresses }) => addresses)
    .filter(({ family, prefixLength }) => prefixLength < (family === 4 ? 31 : 127))
    .flatMap(({ address, prefixLength }) => parsePrefix(`${address}/${prefixLength}`) ?? []);
}
