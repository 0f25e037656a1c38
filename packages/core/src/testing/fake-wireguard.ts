/** A WireGuardControl whose devices, peers, handshakes and counters a test scripts; it records writes and fails or hangs when told to. */
import { createHash } from 'node:crypto';
import {
  type CallOptions,
  type Clock,
  type Device,
  type Endpoint,
  type Peer,
  type PublicKey,
  parsePublicKey,
  SecretKey,
  StunmeshError,
  type WireGuardControl,
} from '../api/index.js';

export type WireGuardMethod = keyof WireGuardControl;

/** One call; those that write carry what they wrote. */
export interface WireGuardCall {
  readonly method: WireGuardMethod;
  readonly device?: string;
  /** Of setPeerEndpoints: those peers that were there. */
  readonly endpoints?: ReadonlyMap<PublicKey, Endpoint>;
  /** Of renewPeer and setPeerKeepalive. */
  readonly peer?: PublicKey;
  readonly endpoint?: Endpoint;
  readonly keepaliveSeconds?: number;
}

export type PeerSeed = Pick<Peer, 'publicKey'> & Partial<Peer>;

export interface DeviceSeed {
  readonly name: string;
  readonly realName?: string;
  /** By default made from the name. */
  readonly secretKey?: SecretKey;
  /** By default made from the name; it does not have to belong to the secret key. */
  readonly publicKey?: PublicKey;
  /** By default 51820. */
  readonly listenPort?: number;
  readonly firewallMark?: number;
  readonly peers?: readonly PeerSeed[];
}

export interface FakeWireGuard extends WireGuardControl, AsyncDisposable {
  /** Every reading that was asked for and every write that was carried out, in order. */
  readonly calls: readonly WireGuardCall[];
  /** The calls that wrote something: setPeerEndpoints, renewPeer, setPeerKeepalive. */
  readonly writes: readonly WireGuardCall[];
  /** Creates the device, or replaces it whole (recreated, re-keyed). */
  addDevice(seed: DeviceSeed): void;
  removeDevice(name: string): void;
  /** Changes facts of a device and keeps its peers. */
  changeDevice(
    name: string,
    facts: Partial<Pick<Device, 'secretKey' | 'publicKey' | 'listenPort' | 'firewallMark'>>,
  ): void;
  /** Creates the peer or replaces it. */
  addPeer(device: string, peer: PeerSeed): void;
  removePeer(device: string, peer: PublicKey): void;
  /** Changes what the device shows of a peer, as WireGuard itself would (roaming, keepalive, counters). */
  changePeer(device: string, peer: PublicKey, facts: Partial<Omit<Peer, 'publicKey'>>): void;
  /** A handshake now (or at that wall-clock time): its time, and 148 and 92 bytes in the counters. */
  handshake(device: string, peer: PublicKey, at?: number): void;
  /** Adds to the counters. */
  traffic(device: string, peer: PublicKey, delta: { readonly rxBytes?: number; readonly txBytes?: number }): void;
  /** A packet into the tunnel towards the peer: with an endpoint and out of the 5 s pause it makes a handshake initiation (148 bytes in tx, true). */
  kick(device: string, peer: PublicKey): boolean;
  /** What the peer shows now, without a recorded call. */
  peer(device: string, peer: PublicKey): Peer | undefined;
  /** The next `times` calls of the method reject with the error. */
  fail(method: WireGuardMethod, error: StunmeshError, times?: number): void;
  /** The next `times` calls of the method answer only when their signal aborts, by its reason. */
  hang(method: WireGuardMethod, times?: number): void;
  /** Called after each write, so that a test can script what the other side does. Returns a function that takes it off. */
  onWrite(listener: (call: WireGuardCall) => void): () => void;
  /** All calls reject with ERR_CLOSED from now on. */
  readonly closed: boolean;
}

/** WireGuard begins at most one handshake with a peer in this time (REKEY_TIMEOUT in its paper). */
const PAUSE_MS = 5_000;
const INITIATION_BYTES = 148;
const RESPONSE_BYTES = 92;
const MAX_RENEW_ALLOWED_IPS = 200;

type MutableDevice = Omit<Device, 'peers'> & { readonly peers: Map<PublicKey, Peer> };
type Fault = { readonly error?: StunmeshError; left: number };

/** A public key that is valid text and the same for the same name; nobody has its secret. */
export function fakePublicKey(name: string): PublicKey {
  const key = parsePublicKey(createHash('sha256').update(name).digest('base64'));
  if (!key) throw new StunmeshError('ERR_INTERNAL', 'a SHA-256 digest is 32 bytes');
  return key;
}

export function createFakeWireGuard(clock: Pick<Clock, 'wallNow'> = { wallNow: () => Date.now() }): FakeWireGuard {
  const devices = new Map<string, MutableDevice>();
  const calls: WireGuardCall[] = [];
  const faults = new Map<WireGuardMethod, Fault[]>();
  const listeners = new Set<(call: WireGuardCall) => void>();
  const initiatedAt = new Map<string, number>();
  let closed = false;

  async function enter(method: WireGuardMethod, { signal }: CallOptions): Promise<void> {
    if (closed) throw new StunmeshError('ERR_CLOSED', 'WireGuard control is closed');
    signal.throwIfAborted();
    const fault = faults.get(method)?.find(({ left }) => left > 0);
    if (!fault) return;
    fault.left -= 1;
    if (fault.error) throw fault.error;
    await new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  function find(name: string): MutableDevice {
    const device = devices.get(name);
    if (device) return device;
    throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `WireGuard device "${name}": there is none (fake)`);
  }

  function findPeer(name: string, key: PublicKey): Peer {
    const peer = find(name).peers.get(key);
    if (peer) return peer;
    throw new StunmeshError('ERR_WG_PEER_NOT_FOUND', `WireGuard device "${name}" has no peer ${key} (fake)`);
  }

  function change(name: string, key: PublicKey, facts: Partial<Omit<Peer, 'publicKey'>>): void {
    find(name).peers.set(key, { ...findPeer(name, key), ...facts });
  }

  function wrote(call: WireGuardCall): void {
    calls.push(call);
    for (const listener of listeners) listener(call);
  }

  return {
    calls,
    get writes() {
      return calls.filter(({ method }) => method !== 'device' && method !== 'devices');
    },
    get closed() {
      return closed;
    },

    async devices(options) {
      calls.push({ method: 'devices' });
      await enter('devices', options);
      return [...devices.keys()];
    },
    async device(name, options) {
      calls.push({ method: 'device', device: name });
      await enter('device', options);
      const device = find(name);
      return { ...device, peers: new Map(device.peers) };
    },
    async setPeerEndpoints(name, endpoints, options) {
      await enter('setPeerEndpoints', options);
      const { peers } = find(name);
      const present = new Map([...endpoints].filter(([key]) => peers.has(key)));
      for (const [key, endpoint] of present) change(name, key, { endpoint });
      wrote({ method: 'setPeerEndpoints', device: name, endpoints: present });
      return new Set(present.keys());
    },
    async renewPeer(name, key, endpoint, options) {
      await enter('renewPeer', options);
      const { publicKey, allowedIps, keepaliveSeconds } = findPeer(name, key);
      if (allowedIps.length > MAX_RENEW_ALLOWED_IPS)
        throw new StunmeshError('ERR_WG_FAILED', `peer ${key} has too many allowed IPs (fake)`, { retry: 'never' });
      const { peers } = find(name);
      peers.delete(key);
      initiatedAt.delete(`${name} ${key}`);
      peers.set(key, { publicKey, allowedIps, keepaliveSeconds, endpoint, rxBytes: 0, txBytes: 0 });
      wrote({ method: 'renewPeer', device: name, peer: key, endpoint });
    },
    async setPeerKeepalive(name, key, keepaliveSeconds, options) {
      await enter('setPeerKeepalive', options);
      change(name, key, { keepaliveSeconds });
      wrote({ method: 'setPeerKeepalive', device: name, peer: key, keepaliveSeconds });
    },

    addDevice({ name, peers = [], ...seed }) {
      const digest = createHash('sha256').update(`secret ${name}`).digest();
      const secretKey = seed.secretKey ?? new SecretKey(Uint8Array.from(digest));
      devices.set(name, {
        name,
        realName: seed.realName ?? name,
        publicKey: seed.publicKey ?? fakePublicKey(name),
        secretKey,
        listenPort: seed.listenPort ?? 51820,
        firewallMark: seed.firewallMark ?? 0,
        peers: new Map(peers.map((peer) => [peer.publicKey, createPeer(peer)])),
      });
    },
    removeDevice(name) {
      devices.delete(name);
    },
    changeDevice(name, facts) {
      devices.set(name, { ...find(name), ...facts });
    },
    addPeer(name, peer) {
      find(name).peers.set(peer.publicKey, createPeer(peer));
    },
    removePeer(name, key) {
      find(name).peers.delete(key);
    },
    changePeer: change,
    handshake(name, key, at = clock.wallNow()) {
      const { rxBytes, txBytes } = findPeer(name, key);
      change(name, key, {
        latestHandshakeAt: at,
        rxBytes: rxBytes + RESPONSE_BYTES,
        txBytes: txBytes + INITIATION_BYTES,
      });
    },
    traffic(name, key, { rxBytes = 0, txBytes = 0 }) {
      const before = findPeer(name, key);
      change(name, key, { rxBytes: before.rxBytes + rxBytes, txBytes: before.txBytes + txBytes });
    },
    kick(name, key) {
      const { endpoint, txBytes } = findPeer(name, key);
      const slot = `${name} ${key}`;
      const last = initiatedAt.get(slot);
      if (last !== undefined && clock.wallNow() - last < PAUSE_MS) return false;
      initiatedAt.set(slot, clock.wallNow());
      if (!endpoint) return false;
      change(name, key, { txBytes: txBytes + INITIATION_BYTES });
      return true;
    },
    peer: (name, key) => devices.get(name)?.peers.get(key),
    fail(method, error, times = 1) {
      faults.set(method, [...(faults.get(method) ?? []), { error, left: times }]);
    },
    hang(method, times = 1) {
      faults.set(method, [...(faults.get(method) ?? []), { left: times }]);
    },
    onWrite(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
    },
  };
}

function createPeer(seed: PeerSeed): Peer {
  return { allowedIps: [], rxBytes: 0, txBytes: 0, keepaliveSeconds: 0, ...seed };
}
