/** Reads a device and brings the peer table up to date: facts, signs of life, phases (F26). */
import { type Device, hasCode, isStunmeshError, type Peer, StunmeshError } from '../../api/index.js';
import { formatEndpoint, sameEndpoint } from '../../net/index.js';
import { createLife, nextPhase, observe, observeEcho, type Phase } from '../../peers/health.js';
import { createFault, type DeviceEntry, type PeerEntry } from '../../peers/peer-table.js';
import { createChannel } from '../../record/seal.js';
import type { Controllers } from '../device-components.js';

/** How long one reading may take. */
const READ_MS = 5_000;
/** How long an endpoint that WireGuard found by itself is left alone, and one that another program wrote. */
const ROAMED_MS = 6_000;
const FOREIGN_MS = 60_000;

export interface Bootstrap {
  /** A reading that began after this call; false: the device is missing or cannot be read (its fault says why). Never rejects. */
  read(device: DeviceEntry): Promise<boolean>;
  /** Peers were added to the table: gives them what follows from the device's key. */
  reopen(device: DeviceEntry): void;
  /** A peer answered an echo: life, at once. */
  heard(device: DeviceEntry, peer: PeerEntry): void;
}

export interface BootstrapEvents {
  /** The device appeared, or its key, port or mark changed: our mapping and records must be made anew. */
  deviceChanged(device: DeviceEntry): void;
  /** The peer's phase changed, or it was found on the device. */
  peerChanged(device: DeviceEntry, peer: PeerEntry): void;
  /** The peer tries to reach us and gets no answer. */
  knocked(device: DeviceEntry, peer: PeerEntry): void;
}

export function createBootstrap(c: Controllers, on: BootstrapEvents): Bootstrap {
  const running = new Map<DeviceEntry, { readonly current: Promise<boolean>; next: Promise<boolean> | undefined }>();

  const readOnce = async (entry: DeviceEntry): Promise<boolean> => {
    using deadline = c.clock.deadline(READ_MS, c.signal);
    try {
      const device = await c.control.device(entry.name, deadline);
      apply(c, on, entry, device);
      return true;
    } catch (error) {
      if (!c.signal.aborted) missing(c, entry, error);
      return false;
    }
  };

  const start = (entry: DeviceEntry): Promise<boolean> => {
    const current = readOnce(entry).finally(() => running.delete(entry));
    running.set(entry, { current, next: undefined });
    return current;
  };

  return {
    // Callers share readings, but each gets one that began after it asked.
    read(entry) {
      const busy = running.get(entry);
      if (!busy) return start(entry);
      busy.next ??= busy.current.then(() => start(entry));
      return busy.next;
    },
    reopen(entry) {
      if (entry.facts)
        openChannels(
          c,
          entry,
          entry.facts,
          entry.peers.filter((peer) => !peer.channel),
        );
    },
    heard(entry, peer) {
      if (!peer.wg) return;
      peer.life = observeEcho(peer.life, c.clock.now());
      settlePhase(c, on, entry, peer, peer.wg, true);
    },
  };
}

function missing(c: Controllers, entry: DeviceEntry, error: unknown): void {
  const fault = isStunmeshError(error) ? error : new StunmeshError('ERR_INTERNAL', String(error), { cause: error });
  const before = entry.faults.get('device');
  entry.faults.set('device', createFault(fault, c.clock.wallNow()));
  if (before?.code !== fault.code)
    c.logger.warn({ device: entry.name, error: fault }, 'cannot read the WireGuard device; looking again');
  // A reading that failed for another reason (a busy machine, a deadline) tells nothing about the device.
  if (!hasCode(error, 'ERR_WG_DEVICE_NOT_FOUND') || !entry.facts) return;
  entry.facts = undefined;
  entry.mappings.clear();
  for (const peer of entry.peers) {
    peer.wg = undefined;
    peer.life = createLife();
    setPhase(c, entry, peer, 'waiting');
  }
  c.emit('device', entry, undefined, { state: 'missing' });
}

function apply(c: Controllers, on: BootstrapEvents, entry: DeviceEntry, device: Device): void {
  const before = entry.facts;
  const rekeyed = before !== undefined && before.publicKey !== device.publicKey;
  const changed =
    !before || rekeyed || before.listenPort !== device.listenPort || before.firewallMark !== device.firewallMark;
  entry.facts = device;
  entry.faults.delete('device');
  if (!before || rekeyed) {
    openChannels(c, entry, device, entry.peers);
    c.logger.info(
      { device: entry.name, listenPort: device.listenPort, publicKey: device.publicKey },
      before ? 'the device has a new key' : 'device found',
    );
  }
  if (changed) c.emit('device', entry, undefined, { state: 'up', listenPort: device.listenPort });
  for (const peer of entry.peers) applyPeer(c, on, entry, peer, device);
  if (changed) on.deviceChanged(entry);
}

/** Shared keys are computed once for a device's key; a peer with a weak key is left alone and named (F22, F13). */
function openChannels(c: Controllers, entry: DeviceEntry, device: Device, peers: readonly PeerEntry[]): void {
  for (const peer of peers) {
    peer.published.clear();
    peer.remote.clear();
    peer.seen.clear();
    try {
      peer.channel = createChannel(device.secretKey, peer.publicKey);
    } catch (error) {
      peer.channel = undefined;
      if (!isStunmeshError(error)) throw error;
      peer.fault = createFault(error, c.clock.wallNow());
      c.logger.error({ device: entry.name, peer: peer.name, error }, 'peer left out');
    }
  }
}

function applyPeer(c: Controllers, on: BootstrapEvents, entry: DeviceEntry, peer: PeerEntry, device: Device): void {
  const now = c.clock.now();
  const found = device.peers.get(peer.publicKey);
  if (!found) {
    absent(c, entry, peer);
    return;
  }
  if (peer.fault?.code === 'ERR_WG_PEER_NOT_FOUND') peer.fault = undefined;
  const previous = peer.wg;
  const { life, alive, knocking } = observe(peer.life, found, now, c.clock.wallNow());
  noticeForeignEndpoint(
    c,
    entry,
    peer,
    found.endpoint !== undefined && !sameEndpoint(previous?.endpoint, found.endpoint) && previous !== undefined,
    {
      received: found.rxBytes > (previous?.rxBytes ?? 0),
      endpoint: found.endpoint ? formatEndpoint(found.endpoint) : '',
      ours: sameEndpoint(peer.lastWrite?.endpoint, found.endpoint),
    },
  );
  peer.wg = found;
  peer.life = life;
  // Made anew under us: nothing can be sent to it, so that no probe would ever fail.
  if (!found.endpoint && (peer.phase === 'connected' || peer.phase === 'idle')) setPhase(c, entry, peer, 'waiting');
  settlePhase(c, on, entry, peer, found, alive);
  if (!previous && peer.phase !== 'connected') on.peerChanged(entry, peer);
  else if (knocking) on.knocked(entry, peer);
}

function settlePhase(
  c: Controllers,
  on: BootstrapEvents,
  entry: DeviceEntry,
  peer: PeerEntry,
  found: Peer,
  alive: boolean,
): void {
  const before = peer.phase;
  const phase = nextPhase({
    before,
    life: peer.life,
    keepaliveSeconds: found.keepaliveSeconds,
    reachable: found.endpoint !== undefined || peer.remote.size > 0,
    // Life before the endpoint was written, or before the probe that failed, proves nothing.
    since: Math.max(peer.lastWrite?.at ?? 0, peer.unconnectedSince),
    now: c.clock.now(),
  });
  if (phase === 'connected' && alive) prove(peer);
  setPhase(c, entry, peer, phase);
  if (phase !== before) on.peerChanged(entry, peer);
}

function absent(c: Controllers, entry: DeviceEntry, peer: PeerEntry): void {
  if (peer.wg || peer.fault?.code !== 'ERR_WG_PEER_NOT_FOUND') {
    const error = new StunmeshError(
      'ERR_WG_PEER_NOT_FOUND',
      `device ${entry.name} has no peer with the public key of "${peer.name}"; add it to WireGuard, it is looked for again`,
    );
    peer.fault = createFault(error, c.clock.wallNow());
    c.logger.warn({ device: entry.name, peer: peer.name, error }, 'peer left out for now');
  }
  peer.wg = undefined;
  peer.life = createLife();
  setPhase(c, entry, peer, 'waiting');
}

/** The record in use proved itself by a handshake: nothing older replaces it (F21). */
function prove(peer: PeerEntry): void {
  const endpoint = peer.wg?.endpoint;
  peer.proven = endpoint;
  for (const { record } of peer.remote.values()) {
    const used = sameEndpoint(record.ipv4, endpoint) || sameEndpoint(record.ipv6, endpoint);
    if (used && record.t !== undefined && record.t > (peer.floor ?? -1)) peer.floor = record.t;
  }
  // What a store or a record is at fault for, a good reading clears: a tunnel that lives says nothing of it.
  if (peer.fault?.code !== 'ERR_KEY_WEAK' && peer.fault?.store === undefined) peer.fault = undefined;
}

function noticeForeignEndpoint(
  c: Controllers,
  entry: DeviceEntry,
  peer: PeerEntry,
  changed: boolean,
  seen: { readonly received: boolean; readonly endpoint: string; readonly ours: boolean },
): void {
  if (!changed || seen.ours) return;
  peer.handsOffUntil = c.clock.now() + (seen.received ? ROAMED_MS : FOREIGN_MS);
  if (seen.received)
    c.logger.debug(
      { device: entry.name, peer: peer.name, endpoint: seen.endpoint },
      'WireGuard followed the peer to another endpoint',
    );
  else
    c.logger.warn(
      { device: entry.name, peer: peer.name, endpoint: seen.endpoint },
      'another program set the endpoint; leaving it alone for a minute',
    );
}

export function setPhase(c: Controllers, entry: DeviceEntry, peer: PeerEntry, phase: Phase): void {
  const before = peer.phase;
  if (before === phase) return;
  const now = c.clock.now();
  const tookMs = Math.round(now - peer.unconnectedSince);
  peer.phase = phase;
  peer.phaseSince = now;
  if (phase !== 'connected' && before === 'connected') peer.unconnectedSince = now;
  const endpoint = peer.wg?.endpoint ? formatEndpoint(peer.wg.endpoint) : undefined;
  const fields = { device: entry.name, peer: peer.name, ...(endpoint === undefined ? {} : { endpoint }) };
  if (phase === 'connected') c.logger.info({ ...fields, tookMs }, 'connected');
  else if (phase === 'suspect') c.logger.warn(fields, 'the tunnel is dead: probes go unanswered; connecting again');
  else c.logger.debug({ ...fields, before }, `phase ${phase}`);
  c.emit('phase', entry, peer, {
    from: before,
    to: phase,
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(phase === 'connected' ? { tookMs } : {}),
  });
}
