/** What a record of ours tells now: our addresses, how our NATs behave, and what of the peer's record we have read. */
import type { Family } from '../../api/index.js';
import type { NatSummary } from '../../nat/behaviour-types.js';
import { formatNatCode } from '../../nat/code.js';
import { localCandidate } from '../../paths/candidate.js';
import { type OwnAddresses, ownRecord, statedAddresses } from '../../paths/own-addresses.js';
import { toldAllocation } from '../../paths/search-plan.js';
import { type EndpointRecord, fingerprint } from '../../record/endpoint-record.js';
import { saneClock } from '../../record/freshness.js';
import type { DeviceComponents } from '../device-components.js';

/** What tells one record from another. */
export interface Told {
  readonly addresses: string;
  /** undefined: nothing is known of the NATs before our present addresses. */
  readonly nat?: string;
}

export interface RecordTimes {
  readonly t: number;
  readonly n: number;
  readonly ack?: number;
}

export interface OwnStatement {
  /** Whether there is an address to tell that others can reach. */
  readonly hasAddresses: boolean;
  told(): Told;
  /** undefined: the device is not there. */
  record(times: RecordTimes): EndpointRecord | undefined;
}

export function createStatement({
  device,
  clock,
  underlay,
}: Pick<DeviceComponents, 'device' | 'clock' | 'underlay'>): OwnStatement {
  const endpoint = (type: 'reflexive' | 'mapped', family: Family) =>
    localCandidate(device.candidates, type, family)?.endpoint;

  const addresses = (): OwnAddresses => {
    const of = (type: 'host' | 'configured') =>
      device.candidates.filter((one) => one.type === type).map((one) => one.endpoint);
    const reflexive4 = endpoint('reflexive', 4);
    const reflexive6 = endpoint('reflexive', 6);
    const mapped4 = endpoint('mapped', 4);
    const pinhole6 = endpoint('mapped', 6);
    return {
      ...(reflexive4 ? { reflexive4 } : {}),
      ...(reflexive6 ? { reflexive6 } : {}),
      ...(mapped4 ? { mapped4 } : {}),
      ...(pinhole6 ? { pinhole6 } : {}),
      lan: of('host'),
      configured: of('configured'),
    };
  };

  /** Nothing of NATs that stood before other addresses. */
  const nats = (): ReadonlyMap<Family, NatSummary> => {
    const summaries = new Map<Family, NatSummary>();
    for (const [family, { address, summary }] of device.nat)
      if (endpoint('reflexive', family)?.address === address)
        summaries.set(family, tellable(summary, underlay.diverts));
    return summaries;
  };

  const record = ({ t, n, ack }: RecordTimes): EndpointRecord | undefined => {
    if (!device.facts) return undefined;
    const nat = nats();
    return ownRecord(addresses(), {
      nat,
      allocation: nat.get(4)?.allocation ?? 'unknown',
      clockSane: saneClock(clock.wallNow() / 1000),
      t,
      n,
      f: fingerprint(device.facts.publicKey),
      ...(ack === undefined ? {} : { ack }),
    });
  };

  /** Asked for each peer at every tick, and seldom another one. */
  let last: { readonly of: readonly unknown[]; readonly told: Told } | undefined;
  const tell = (): Told => {
    const nat = toldNat(nats());
    return { addresses: statedAddresses(record({ t: 0, n: 0 }) ?? {}), ...(nat === undefined ? {} : { nat }) };
  };

  return {
    get hasAddresses() {
      return device.candidates.some(({ type }) => type !== 'host');
    },
    record,
    told() {
      const of = [device.facts?.publicKey, device.candidates, device.nat.get(4), device.nat.get(6)];
      if (!last || of.some((one, i) => one !== last?.of[i])) last = { of, told: tell() };
      return last.told;
    },
  };
}

/** The other host is not to probe what this one cannot open. */
function tellable(summary: NatSummary, diverts: boolean): NatSummary {
  const { allocation, ...rest } = summary;
  if (allocation === undefined) return summary;
  const told = toldAllocation(allocation, diverts);
  return told === allocation ? summary : { ...rest, allocation: told };
}

/** As far as a record tells it. */
export function toldNat(summaries: ReadonlyMap<Family, NatSummary>): string | undefined {
  const four = summaries.get(4);
  const six = summaries.get(6);
  const told = new Map<Family, NatSummary>();
  if (four) told.set(4, four);
  if (six && six.filtering !== 'unknown') told.set(6, { ...six, mapping: 'none', cgnat: false });
  const code = formatNatCode(told);
  if (code === '') return undefined;
  const { allocation } = four ?? {};
  return allocation === undefined || allocation === 'unknown' ? code : `${code} ${JSON.stringify(allocation)}`;
}
