/** Reads one record of a peer from one store, and judges whether it may be used. */
import { type Device, isStunmeshError, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { createFault, type DeviceEntry, type PeerEntry } from '../../peers/peer-table.js';
import { type ParsedRecord, parseRecord, refusedEndpoint } from '../../record/endpoint-record.js';
import { acceptRecord, type OwnPlace, refusedHere } from '../../record/policy.js';
import { storeKey } from '../../record/store-key.js';
import type { Controllers, NamedStore } from '../device-components.js';

/** The record where it is another than before; undefined where not. Failures stay with the peer. */
export async function readOne(
  c: Controllers,
  device: DeviceEntry,
  peer: PeerEntry,
  store: NamedStore,
): Promise<ParsedRecord | undefined> {
  const { facts, channel } = device.facts && peer.channel ? { facts: device.facts, channel: peer.channel } : {};
  if (!facts || !channel) return undefined;
  try {
    const sealed = await store.get(storeKey(peer.publicKey, facts.publicKey), { signal: c.signal });
    peer.reads += 1;
    if (sealed === undefined) {
      peer.remote.delete(store.name);
      settleFault(peer, store.name);
      return undefined;
    }
    const record = await acceptRecord({
      record: parseRecord(channel.open(sealed)),
      peer: peer.publicKey,
      published: [...device.mappings.values()].map((m) => m.endpoint),
      ...(await ownPlace(c, facts)),
    });
    const changed = keepRecord(c, device, peer, store, record);
    if (record.problems.length > 0) {
      const problem = new StunmeshError(
        'ERR_RECORD_ENDPOINT',
        `part of the peer's record is not used: ${record.problems.join('; ')}`,
      );
      noteFault(c, device, peer, problem, `cannot use all of the record in store "${store.name}"`, store.name);
    } else settleFault(peer, store.name);
    return changed ? record : undefined;
  } catch (error) {
    noteFault(c, device, peer, error, `cannot use the record in store "${store.name}"`, store.name);
    return undefined;
  }
}

async function ownPlace({ underlay }: Controllers, own: Device): Promise<OwnPlace> {
  return {
    own,
    ownAddresses: await underlay.ownAddresses(),
    routeOf: async (to) => (await underlay.routeTo(to))?.interface,
  };
}

/** What the state file says of the last endpoint goes through the same refusals as a record (F19). */
export async function screenRestored(c: Controllers, device: DeviceEntry, peer: PeerEntry): Promise<void> {
  const { restored } = peer;
  if (!restored || !device.facts) return;
  peer.restored = undefined;
  const reason = refusedEndpoint(restored) ?? (await refusedHere(restored, await ownPlace(c, device.facts)));
  if (reason === undefined) peer.proven ??= restored;
  else c.logger.warn({ device: device.name, peer: peer.name, reason }, 'the endpoint in the state file is not used');
}

/** True when it is another than before. */
function keepRecord(
  c: Controllers,
  device: DeviceEntry,
  peer: PeerEntry,
  store: NamedStore,
  record: ParsedRecord,
): boolean {
  const before = peer.remote.get(store.name)?.record;
  peer.remote.set(store.name, { record, store: store.name, readAt: c.clock.wallNow() });
  if (
    before &&
    before.t === record.t &&
    sameEndpoint(before.ipv4, record.ipv4) &&
    sameEndpoint(before.ipv6, record.ipv6)
  )
    return false;
  c.emit('record', device, peer, {
    store: store.name,
    ...(record.ipv4 ? { ipv4: formatEndpoint(record.ipv4) } : {}),
    ...(record.ipv6 ? { ipv6: formatEndpoint(record.ipv6) } : {}),
    ...(record.t === undefined ? {} : { t: record.t }),
  });
  return true;
}

/** A reading of this store was good. */
function settleFault(peer: PeerEntry, store: string): void {
  peer.told.delete(store);
  if (peer.fault?.store === store) peer.fault = undefined;
}

export function noteFault(
  c: Controllers,
  device: DeviceEntry,
  peer: PeerEntry,
  error: unknown,
  what: string,
  store?: string,
): void {
  if (c.signal.aborted) return;
  const fault = isStunmeshError(error) ? error : new StunmeshError('ERR_INTERNAL', String(error), { cause: error });
  // By its code: a store that is down fails in reading and in writing, with a sentence for each.
  const repeated = (store === undefined ? peer.fault?.code : peer.told.get(store)) === fault.code;
  if (store !== undefined) peer.told.set(store, fault.code);
  peer.fault = createFault(fault, c.clock.wallNow(), store);
  c.logger[repeated ? 'debug' : 'warn']({ device: device.name, peer: peer.name, error: fault }, what);
  if (!repeated) c.emit('fault', device, peer, { code: fault.code, message: fault.message });
}
