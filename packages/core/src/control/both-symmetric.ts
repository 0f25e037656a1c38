/** Pairs that do not connect as they are: both NATs give each destination another port, and no router maps one. */
import { natOf } from '../nat/code.js';
import { isSymmetric } from '../nat/mapping.js';
import { localCandidate } from '../paths/candidate.js';
import type { DeviceEntry } from '../peers/peer-table.js';
import type { EndpointRecord } from '../record/endpoint-record.js';

/** In every family that both have. */
export function bothSymmetric(device: DeviceEntry, record: EndpointRecord | undefined): boolean {
  const theirs = natOf(record?.c);
  const families = ([4, 6] as const).filter(
    (family) =>
      localCandidate(device.candidates, 'reflexive', family) &&
      (family === 4 ? record?.ipv4 : record?.ipv6) !== undefined,
  );
  return (
    families.length > 0 &&
    families.every((family) => {
      const own = device.nat.get(family);
      const their = theirs.get(family);
      const known = own?.address === localCandidate(device.candidates, 'reflexive', family)?.endpoint.address;
      // By a port that a router maps everybody comes in.
      if (localCandidate(device.candidates, 'mapped', family)) return false;
      if (family === 4 && record?.c?.candidates.mappedPort !== undefined) return false;
      return own !== undefined && known && their !== undefined && isSymmetric(own.summary) && isSymmetric(their);
    })
  );
}
