/** What surrounds the controllers in the harness: interfaces, the tunnel's behaviour, and the device's configuration. */
import { type Family, StunmeshError } from '#src/api/index.js';
import type { InterfaceConfig, InterfaceProtocol, PeerConfig, PeerProtocol } from '#src/config/index.js';
import { contains, encodeEcho, formatEndpoint, parseAddress, parseEcho, parsePrefix } from '#src/net/index.js';
import type { FakeCapture, FakeClock, FakeWireGuard } from '#src/testing/index.js';
import type { Underlay } from '#src/underlay/underlay.js';
import type { FarSide } from './far-side.js';

/** What WireGuard and the far side make of a packet into the tunnel: a handshake without a session, an answer with one. */
export function enterTunnel(o: {
  readonly wg: FakeWireGuard;
  readonly clock: FakeClock;
  readonly device: string;
  readonly target: FarSide;
  reply(): void;
}): void {
  const { wg, clock, device, target } = o;
  const key = target.keys.publicKey;
  const reached = (): boolean => {
    const endpoint = wg.peer(device, key)?.endpoint;
    return endpoint !== undefined && formatEndpoint(endpoint) === target.answersAt;
  };
  const handshakeAt = wg.peer(device, key)?.latestHandshakeAt;
  if (handshakeAt === undefined || clock.wallNow() - handshakeAt > 180_000) {
    if (!wg.kick(device, key) || !reached()) return;
    wg.handshake(device, key);
    // WireGuard sends the packet that it kept back once the session is there.
    if (target.answersEcho) void clock.sleep(20).then(o.reply);
    return;
  }
  wg.traffic(device, key, { txBytes: 64 });
  if (!reached()) return;
  void clock.sleep(target.answersEcho ? 20 : 10_000).then(() => {
    if (!wg.peer(device, key)) return;
    wg.traffic(device, key, { rxBytes: target.answersEcho ? 64 : 32 });
    if (target.answersEcho) o.reply();
  });
}

/** Sockets that send alone. */
export function openSending({ openStunSocket }: Pick<Underlay, 'openStunSocket'>): Underlay['openStunSocket'] {
  return async (options) => {
    if (!options.sendOnly) throw new StunmeshError('ERR_CAPTURE_OPEN', 'this capture cannot listen');
    return openStunSocket(options);
  };
}

export function answerEcho(capture: FakeCapture, device: string, packet: Uint8Array, from: string): void {
  const family: Family = from.includes(':') ? 6 : 4;
  const echo = parseEcho(family, packet);
  if (echo) capture.deliverEcho(device, family, encodeEcho(family, { ...echo, kind: 'reply' }), from);
}

export const INTERFACES = [
  { name: 'lo', index: 1, up: true, loopback: true, addresses: [{ family: 4, address: '127.0.0.1', prefixLength: 8 }] },
  {
    name: 'eth0',
    index: 2,
    up: true,
    loopback: false,
    addresses: [
      { family: 4, address: '192.168.1.2', prefixLength: 24 },
      { family: 6, address: '2001:db8:1::2', prefixLength: 64 },
    ],
  },
] as const;

export function insideAddress(index: number): string {
  return `10.99.${1 + Math.floor(index / 250)}.${1 + (index % 250)}/32`;
}

export function covers(allowedIps: readonly string[], address: string): boolean {
  const bytes = parseAddress(address);
  return allowedIps.some((text) => {
    const prefix = parsePrefix(text);
    return prefix !== undefined && bytes !== undefined && contains(prefix, bytes);
  });
}

export interface ConfigOptions {
  readonly protocol?: InterfaceProtocol;
  readonly peerProtocol?: PeerProtocol;
  /** Default: false. */
  readonly lan?: InterfaceConfig['lan'];
  readonly advertise?: readonly string[];
  pluginsOf?(index: number): readonly string[];
  /** Of every peer; default: not pinged. */
  readonly ping?: PeerConfig['ping'];
}

export function interfaceConfig(
  options: ConfigOptions,
  far: readonly FarSide[],
  stores: readonly string[],
): InterfaceConfig {
  const peers = far.map((side, index): [string, PeerConfig] => [
    side.name,
    {
      name: side.name,
      publicKey: side.keys.publicKey,
      plugins: options.pluginsOf?.(index) ?? stores,
      protocol: options.peerProtocol ?? 'ipv4',
      ping: options.ping ?? { enabled: false, intervalMs: 1_000, timeoutMs: 1_000 },
    },
  ]);
  return {
    name: 'wg0',
    protocol: options.protocol ?? 'ipv4',
    peers: new Map(peers),
    listenInterfaces: [],
    listenDefaultRoute: false,
    lan: options.lan ?? false,
    advertise: options.advertise ?? [],
    checkListen: 'always',
    upgrade: true,
    portMapping: [],
    hardNat: 'predicted',
  };
}
