/** The verbs of WireGuardControl over any backend: look before set (F17), renew a peer and never lose it (F18b). */
import {
  type Clock,
  type Endpoint,
  type Peer,
  type PeerWrite,
  type PublicKey,
  StunmeshError,
  type WireGuardControl,
} from '../api/index.js';
import { peerMissing } from './errors.js';
import type { DeviceNames, DeviceReading, WireGuardBackend } from './reading.js';

/** Above this a peer is no longer one netlink message, so that a reader could see it half made. */
const MAX_RENEW_ALLOWED_IPS = 200;

/** A renewal once begun is finished whatever the caller's signal says, within this time. */
const RENEW_MS = 5_000;
const RESTORE_ATTEMPTS = 3;

export interface ControlOptions {
  readonly backend: WireGuardBackend;
  readonly clock: Clock;
  /** The kernel's name of a device; the configuration's by default. */
  readonly realName?: (name: string) => Promise<string>;
}

export function createControl({ backend, clock, realName = async (name) => name }: ControlOptions): WireGuardControl {
  async function namesOf(name: string): Promise<DeviceNames> {
    checkName(name);
    const real = await realName(name);
    checkName(real);
    return { name, realName: real };
  }

  async function readPeer(names: DeviceNames, key: PublicKey, signal: AbortSignal) {
    const reading = await backend.read(names, { signal });
    const peer = reading.device.peers.get(key);
    if (!peer) throw peerMissing(names.name, key);
    return { reading, peer };
  }

  /** Puts the peer back from `snapshot` unless it stands there whole; resolves with whether it had to. */
  async function restorePeer(names: DeviceNames, snapshot: DeviceReading, peer: Peer): Promise<boolean> {
    let restored = false;
    let failure: unknown;
    for (let attempt = 0; attempt <= RESTORE_ATTEMPTS; attempt += 1) {
      using deadline = clock.deadline(RENEW_MS);
      try {
        if (isWhole(await backend.read(names, deadline), snapshot, peer)) return restored;
        if (attempt === RESTORE_ATTEMPTS) break;
        restored = true;
        await backend.write(names, [wholePeer(snapshot, peer, peer.endpoint)], deadline);
      } catch (error) {
        failure = error;
      }
    }
    throw new StunmeshError(
      'ERR_WG_FAILED',
      `WireGuard device "${names.name}": peer ${peer.publicKey} could not be put back after a renewal; add it again (wg syncconf, wg-quick)`,
      { details: { device: names.name, peer: peer.publicKey }, cause: failure },
    );
  }

  return {
    devices: (options) => backend.list(options),

    async device(name, options) {
      return (await backend.read(await namesOf(name), options)).device;
    },

    async setPeerEndpoints(name, endpoints, options) {
      if (endpoints.size === 0) return new Set<PublicKey>();
      const names = await namesOf(name);
      const { peers } = (await backend.read(names, options)).device;
      const present = [...endpoints].filter(([key]) => peers.has(key));
      if (present.length > 0) {
        const writes = present.map(([publicKey, endpoint]): PeerWrite => ({ publicKey, updateOnly: true, endpoint }));
        await backend.write(names, writes, options);
      }
      return new Set(present.map(([key]) => key));
    },

    async renewPeer(name, key, endpoint, { signal }) {
      const names = await namesOf(name);
      const { reading, peer } = await readPeer(names, key, signal);
      if (peer.allowedIps.length > MAX_RENEW_ALLOWED_IPS) throw tooManyAllowedIps(name, peer);
      signal.throwIfAborted();
      let failure: unknown;
      try {
        using deadline = clock.deadline(RENEW_MS);
        const writes: readonly PeerWrite[] = [{ publicKey: key, remove: true }, wholePeer(reading, peer, endpoint)];
        await backend.write(names, writes, deadline);
      } catch (error) {
        failure = error;
      }
      const restored = await restorePeer(names, reading, peer);
      if (!restored && failure === undefined) return;
      if (!restored) throw failure;
      throw new StunmeshError(
        'ERR_WG_FAILED',
        `WireGuard device "${name}": peer ${key} could not be renewed; it stands as it was before`,
        { details: { device: name, peer: key }, cause: failure },
      );
    },

    async setPeerKeepalive(name, key, seconds, options) {
      if (!Number.isInteger(seconds) || seconds < 0 || seconds > 65535)
        throw new StunmeshError(
          'ERR_USAGE',
          `a persistent keepalive is 0 (off) to 65535 whole seconds, not ${seconds}`,
        );
      const names = await namesOf(name);
      await readPeer(names, key, options.signal);
      await backend.write(names, [{ publicKey: key, updateOnly: true, keepaliveSeconds: seconds }], options);
    },
  };
}

/** An interface name of at most 15 characters that is neither a path nor an option. */
function checkName(name: string): void {
  if (/^(?![-.])[!-.0-9;-~]{1,15}$/.test(name)) return;
  throw new StunmeshError(
    'ERR_WG_DEVICE_NOT_FOUND',
    `${JSON.stringify(name.slice(0, 32))} is no WireGuard device's name: 1 to 15 characters, no space, slash or colon, not beginning with "-" or "."`,
    { retry: 'never' },
  );
}

function wholePeer(reading: DeviceReading, peer: Peer, endpoint: Endpoint | undefined): PeerWrite {
  return {
    publicKey: peer.publicKey,
    presharedKey: reading.presharedKeys.get(peer.publicKey),
    endpoint,
    keepaliveSeconds: peer.keepaliveSeconds,
    allowedIps: peer.allowedIps,
  };
}

/** Whether the peer has everything that the snapshot says; its endpoint may have moved on. */
function isWhole(now: DeviceReading, snapshot: DeviceReading, before: Peer): boolean {
  const peer = now.device.peers.get(before.publicKey);
  const key = now.presharedKeys.get(before.publicKey);
  const wanted = snapshot.presharedKeys.get(before.publicKey);
  const allowed = new Set(peer?.allowedIps);
  return (
    peer !== undefined &&
    peer.keepaliveSeconds === before.keepaliveSeconds &&
    peer.allowedIps.length === before.allowedIps.length &&
    before.allowedIps.every((prefix) => allowed.has(prefix)) &&
    (key && wanted ? key.equals(wanted) : key === wanted)
  );
}

function tooManyAllowedIps(device: string, peer: Peer): StunmeshError {
  return new StunmeshError(
    'ERR_WG_FAILED',
    `WireGuard device "${device}": peer ${peer.publicKey} has ${peer.allowedIps.length} allowed IPs; above ${MAX_RENEW_ALLOWED_IPS} removing and adding it is no longer one message to the kernel, so it is not renewed`,
    { retry: 'never', details: { device, peer: peer.publicKey, allowedIps: peer.allowedIps.length } },
  );
}
