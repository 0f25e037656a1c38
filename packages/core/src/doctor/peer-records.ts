/** Reads what the stores hold of a peer, and of us for it, as the daemon would read it. */
import { isStunmeshError, StunmeshError } from '../api/index.js';
import type { InterfaceConfig } from '../config/index.js';
import { acceptRecord } from '../record/policy.js';
import { openRecord, ownPlace } from '../record/reader.js';
import { type Channel, createChannel } from '../record/seal.js';
import { isWeakKey } from '../record/shared-secret.js';
import { storeKey } from '../record/store-key.js';
import type { DoctorContext, PeerRecords, RecordSeen } from './context.js';

export async function readPeerRecords(
  context: DoctorContext,
  entry: InterfaceConfig,
  peerName: string,
): Promise<PeerRecords> {
  const peer = entry.peers.get(peerName);
  if (!peer) return { theirs: [], ours: [] };
  const device = await context.device(entry.name);
  // Computed once and only where there is something to open, as it costs more than all the rest.
  let channel: Channel | undefined;
  const openChannel = (): Channel => {
    channel ??= createChannel(device.secretKey, peer.publicKey);
    return channel;
  };
  const read = async (key: string, store: string): Promise<RecordSeen> => {
    try {
      // A weak key is refused whatever the store holds (F22): this throws.
      if (isWeakKey(peer.publicKey)) openChannel();
      const value = await (await context.store(store)).get(key, { signal: context.parts.signal });
      return value === undefined ? { store } : { store, record: openRecord(value, openChannel()) };
    } catch (error) {
      return { store, error: asStunmeshError(error) };
    }
  };
  const theirKey = storeKey(peer.publicKey, device.publicKey);
  const ourKey = storeKey(device.publicKey, peer.publicKey);
  const [theirs, ours] = await Promise.all([
    Promise.all(peer.plugins.map((store) => read(theirKey, store))),
    Promise.all(peer.plugins.map((store) => read(ourKey, store))),
  ]);
  return { theirs: await Promise.all(theirs.map(judge)), ours };

  async function judge(seen: RecordSeen): Promise<RecordSeen> {
    if (!seen.record || !peer) return seen;
    try {
      const underlay = await context.underlay(entry).catch(() => undefined);
      const record = await acceptRecord({
        ...(await ownPlace(device, underlay)),
        record: seen.record,
        peer: peer.publicKey,
        published: ours.flatMap(({ record: own }) => [own?.ipv4, own?.ipv6]).filter((e) => e !== undefined),
      });
      return { store: seen.store, record };
    } catch (error) {
      return { ...seen, error: asStunmeshError(error) };
    }
  }
}

function asStunmeshError(error: unknown): StunmeshError {
  if (isStunmeshError(error)) return error;
  return new StunmeshError('ERR_INTERNAL', error instanceof Error ? error.message : String(error));
}
