/** Reads a device and brings the peer table up to date (F26). What changed is handed on once a reading is in the table, so that whoever
 * reads within work of its own meets no surprise. */
import { type Device, hasCode, isStunmeshError, StunmeshError } from '../../api/index.js';
import { asStunmeshError, createFault } from '../../peers/faults.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import { createPair } from '../../record/pair.js';
import { inSlices } from '../../runtime/slices.js';
import type { DeviceComponents } from '../device-components.js';
import type { PeerChange, PeerObserver } from './peer-observer.js';

/** Peers that a line of the log names. */
const MOST_NAMED = 8;
/** How long one reading may take. */
const READ_MS = 5_000;
/** A reading costs up to 15 microseconds a peer (netlink, two allowed IPs each): with this pause it stays at 1 % of a core. */
const REST_MS_A_PEER = 1.5;
/** Fewer are read whenever somebody asks. */
const PEERS_AT_REST = 100;

/** device: it appeared, or its key, port or mark changed, so that our mapping and records must be made anew. */
export type DeviceChange = PeerChange | { readonly kind: 'device' };

export interface DeviceObserver {
  /** A reading that began after this call; false: the device is missing or cannot be read (its fault says why). Never rejects. */
  read(): Promise<boolean>;
  /** Likewise for the rhythm, which asks again anyway: where the last reading of a large device is too young, what it found stands. */
  look(): Promise<boolean>;
  /** Peers were added to the table: gives them what follows from the device's key. Never rejects. */
  reopen(): Promise<void>;
}

export interface DeviceObserverComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'control' | 'underlay' | 'emit' | 'signal'> {
  readonly peers: PeerObserver;
  /** Called once for each change, after the whole reading. */
  onChange(change: DeviceChange): void;
}

export function createDeviceObserver(components: DeviceObserverComponents): DeviceObserver {
  const { device: entry, clock, logger, control, underlay, emit, signal, peers } = components;
  let running: { readonly current: Promise<boolean>; next: Promise<boolean> | undefined } | undefined;

  /** Shared keys are computed once for a device's key, when they are first needed; a peer with a weak key is left alone and named (F22, F13). */
  const openChannels = (device: Device, of: readonly PeerEntry[]): void => {
    for (const peer of of) {
      peer.sharedKeyFault = undefined;
      peer.published.clear();
      peer.remote.clear();
      peer.seen.clear();
      peer.statement = undefined;
      peer.channel = undefined;
      peer.keys = undefined;
      try {
        const { channel, keys } = createPair(device.secretKey, device.publicKey, peer.publicKey);
        peer.channel = channel;
        peer.keys = keys;
      } catch (error) {
        if (!isStunmeshError(error)) throw error;
        peer.fault = createFault(error, clock.wallNow());
        logger.error({ device: entry.name, peer: peer.name, error }, 'peer left out');
      }
    }
  };

  /** Who knows us by another key answers nobody who has the present one, and only somebody at the other end can change that. */
  const noteKey = ({ publicKey }: Device): void => {
    const error = new StunmeshError(
      'ERR_KEY_CHANGED',
      `our key changed: give the peer the new public key ${publicKey}, for its WireGuard and its stunmesh, or set the former private key again`,
    );
    const isStranger = ({ connectedBy = publicKey }: PeerEntry) => connectedBy !== publicKey;
    const strangers = entry.peers.filter(isStranger);
    for (const peer of entry.peers)
      peer.ownKeyFault = isStranger(peer) ? createFault(error, clock.wallNow()) : undefined;
    if (strangers.length === 0) return;
    const names = strangers.slice(0, MOST_NAMED).map(({ name }) => name);
    logger.warn({ device: entry.name, peers: strangers.length, names, error }, 'our key changed');
    for (const peer of strangers) emit('fault', peer, { code: error.code, message: error.message });
  };

  /** By its link; a device that is not listed (another namespace, another kind) counts as up. */
  const isDown = async ({ realName }: Device): Promise<boolean> => {
    const listed = await underlay.interfaces().catch(() => []);
    return listed.find(({ name }) => name === realName)?.up === false;
  };

  /** What is down has no way to its peers; a standby with the same key must not publish over the host that is up. */
  const lieDown = (device: Device): void => {
    const error = new StunmeshError(
      'ERR_WG_DEVICE_DOWN',
      `the device ${entry.name} is down: nothing is published for it; it is taken up at once when it is brought up`,
    );
    const told = entry.faults.get('device')?.code === error.code;
    entry.facts = device;
    entry.down = true;
    entry.candidates = [];
    entry.faults.set('device', createFault(error, clock.wallNow()));
    for (const peer of entry.peers) peers.forget(peer);
    if (told) return;
    logger.warn({ device: entry.name, error }, 'the device is down');
    emit('device', undefined, { state: 'down' });
  };

  /** What is the device's is taken in at once, its peers in slices, and what changed is handed on in slices. */
  const apply = async (device: Device): Promise<void> => {
    const before = entry.down ? undefined : entry.facts;
    entry.down = false;
    const rekeyed = before !== undefined && before.publicKey !== device.publicKey;
    const changed =
      !before || rekeyed || before.listenPort !== device.listenPort || before.firewallMark !== device.firewallMark;
    entry.facts = device;
    entry.faults.delete('device');
    if (!before || rekeyed) {
      openChannels(device, entry.peers);
      noteKey(device);
      logger.info(
        {
          device: entry.name,
          listenPort: device.listenPort,
          publicKey: device.publicKey,
          ...(device.way !== undefined && { controlledBy: device.way }),
        },
        before ? 'the device has a new key' : 'device found',
      );
    }
    if (rekeyed) for (const peer of entry.peers) peers.rekeyed(peer);
    if (changed) emit('device', undefined, { state: 'up', listenPort: device.listenPort });
    const changes: DeviceChange[] = [];
    await inSlices(entry.peers, clock, (peer) => {
      if (entry.facts === device) changes.push(...peers.observe(peer, device.peers.get(peer.publicKey)));
    });
    if (changed) changes.push({ kind: 'device' });
    await inSlices(changes, clock, (change) => components.onChange(change));
  };

  const missing = (error: unknown): void => {
    const fault = asStunmeshError(error);
    const before = entry.faults.get('device');
    entry.faults.set('device', createFault(fault, clock.wallNow()));
    if (before?.code !== fault.code)
      logger.warn({ device: entry.name, error: fault }, 'cannot read the WireGuard device; looking again');
    // A reading that failed for another reason (a busy machine, a deadline) tells nothing about the device.
    if (!hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND') || !entry.facts) return;
    entry.facts = undefined;
    entry.down = false;
    entry.candidates = [];
    for (const peer of entry.peers) peers.forget(peer);
    emit('device', undefined, { state: 'missing' });
  };

  /** Monotonic milliseconds. */
  let restUntil = 0;

  const readOnce = async (): Promise<boolean> => {
    using deadline = clock.deadline(READ_MS, signal);
    restUntil = 0;
    try {
      const device = await control.device(entry.name, deadline);
      if (await isDown(device)) {
        lieDown(device);
        return false;
      }
      await apply(device);
      if (device.peers.size >= PEERS_AT_REST) restUntil = clock.now() + device.peers.size * REST_MS_A_PEER;
      return true;
    } catch (error) {
      if (!signal.aborted) missing(error);
      return false;
    }
  };

  const start = (): Promise<boolean> => {
    const current = readOnce().finally(() => {
      running = undefined;
    });
    running = { current, next: undefined };
    return current;
  };

  // Callers share readings, but each gets one that began after it asked.
  const read = (): Promise<boolean> => {
    if (!running) return start();
    running.next ??= running.current.then(start);
    return running.next;
  };

  return {
    read,
    look: () => (!running && clock.now() < restUntil ? Promise.resolve(true) : read()),
    async reopen() {
      await inSlices(
        entry.peers.filter((peer) => !peer.channel),
        clock,
        (peer) => {
          // The device, or its key, may have become another one in between.
          if (entry.facts && !peer.channel) openChannels(entry.facts, [peer]);
        },
      );
    },
  };
}
