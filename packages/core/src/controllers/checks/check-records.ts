/** Takes peers' records into their state machines: the record in use, and what of it this host may try (F19, F45, F47). */
import { sameEndpoint } from '../../net/index.js';
import type { Times } from '../../paths/acknowledgements.js';
import { recordInUse } from '../../paths/record-in-use.js';
import { PARKED } from '../../paths/session.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import type { ParsedRecord } from '../../record/endpoint-record.js';
import { type PathCode, writtenAfter } from '../../record/path-code.js';
import type { DeviceComponents } from '../device-components.js';
import type { DeviceSearch } from '../search/device-search.js';
import type { CheckCandidates } from './check-candidates.js';
import type { CheckedPeer } from './checked-peers.js';
import type { Parking } from './parking.js';

export interface CheckRecords {
  /** One of its stores was read. Never rejects. */
  read(one: CheckedPeer): Promise<void>;
  /** The record is the same, and may name other candidates for us. Never rejects. */
  judge(one: CheckedPeer): Promise<void>;
  /** Seconds since 1970 as peers' records tell, for a host without a clock of its own. */
  readonly seconds: number;
}

export interface CheckRecordsComponents extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'signal'> {
  readonly candidates: Pick<CheckCandidates, 'of'>;
  readonly parking: Pick<Parking, 'release'>;
  readonly search: Pick<DeviceSearch, 'changed'>;
  times(): Times;
  /** Before and after the state machine has got a record: what the device shows goes in first, what follows is done. */
  observe(one: CheckedPeer): void;
  step(one: CheckedPeer): Promise<void>;
}

export function createCheckRecords(components: CheckRecordsComponents): CheckRecords {
  const { device, clock, logger, signal, candidates, parking, search, times, observe, step } = components;
  let told = { seconds: 0, at: 0 };

  const inUse = (peer: PeerEntry): ParsedRecord | undefined =>
    recordInUse(
      [...peer.remote.values()].map(({ record }) => record),
      {
        provenTime: peer.provenTime,
        wallNow: clock.wallNow(),
        unconnectedForMs: isUnsettled(peer) ? clock.now() - peer.unconnectedSince : 0,
      },
    );

  const take = async (one: CheckedPeer, record: ParsedRecord, c: PathCode): Promise<void> => {
    const { peer, checks } = one;
    const known = one.record?.c;
    const same = known !== undefined && known.t === c.t && known.n === c.n;
    const found = same ? undefined : await candidates.of(peer, record);
    // Another store was read meanwhile, or the device went.
    if (peer.keys !== one.keys || inUse(peer) !== record) return;
    // An older one counts, as nothing newer is there any more.
    if (known && !same && !writtenAfter(c, known)) checks.onOldRecord();
    one.record = record;
    if (found) one.refused = found.refused;
    if (!same) search.changed();
    if (c.clockSane && c.t > told.seconds) told = { seconds: c.t, at: clock.now() };
    observe(one);
    checks.onRecord(times(), c, found?.candidates ?? []);
    const endpoint = peer.observed?.endpoint;
    // The record that is known sets nothing in motion, but for an endpoint that is still to be parked.
    if (!same || one.wakeAt <= clock.now() || (endpoint && !sameEndpoint(endpoint, PARKED))) await step(one);
  };

  const quietly = async (peer: PeerEntry, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      if (!signal.aborted) logger.debug({ device: device.name, peer: peer.name, error }, 'candidates not looked at');
    }
  };

  return {
    get seconds() {
      return told.seconds + (clock.now() - told.at) / 1_000;
    },
    read: (one) =>
      quietly(one.peer, async () => {
        const record = inUse(one.peer);
        if (!record) one.checks.onNoRecord(clock.now());
        else if (record.c) await take(one, record, record.c);
        else {
          one.record = undefined;
          one.use = undefined;
          one.checks.onOldRecord();
          await parking.release(one.peer);
        }
      }),
    judge: (one) =>
      quietly(one.peer, async () => {
        const { record } = one;
        if (!record) return;
        const found = await candidates.of(one.peer, record);
        if (one.record !== record) return;
        one.refused = found.refused;
        one.checks.onCandidates(clock.now(), found.candidates);
      }),
  };
}
