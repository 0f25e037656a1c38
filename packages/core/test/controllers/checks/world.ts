/** Two daemons' sessions in one process: each with its own device, capture and router, one store, and one clock. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { type Endpoint, StunmeshError } from '#src/api/index.js';
import type { DeviceSurroundings } from '#src/controllers/device-components.js';
import { createDeviceSession } from '#src/controllers/device-session.js';
import { formatEndpoint } from '#src/net/index.js';
import { HostCheckBudget } from '#src/paths/check-budget.js';
import { isCheckRequest } from '#src/paths/check-message.js';
import { createDeviceEntry } from '#src/peers/peer-table.js';
import { createDeviceState, restoreDeviceState } from '#src/peers/saved-state.js';
import { guardStore } from '#src/store/guarded-store.js';
import { createAgent } from '#src/stun/agent.js';
import {
  createFakeCapture,
  createFakeClock,
  createFakeWireGuard,
  createMemoryLogger,
  createMemoryStore,
} from '#src/testing/index.js';
import { createUnderlays } from '#src/underlay/underlay.js';
import { createEndpointWriter } from '#src/wireguard/writes.js';
import { PORT, Router } from '../../paths/router.js';
import { createFarSide, keyPair } from '../far-side.js';
import { createMemorySearch } from '../search/memory-search.js';
import { answerEcho, INTERFACES, interfaceConfig } from '../surroundings.js';

/** After the day that this code counts as built, and five seconds into a minute. */
const WALL_START = Date.UTC(2027, 0, 1, 0, 0, 5);
const SERVER: Endpoint = { family: 4, address: '192.0.2.1', port: 3_478 };
const DEVICE = 'wg0';

export interface SideOptions {
  readonly router: Router;
  readonly keepaliveSeconds?: number;
  /** How far away its router is. Default: 1. */
  readonly hops?: number;
  /** What an earlier process left on the device, and in the state file. */
  readonly endpoint?: Endpoint;
  readonly state?: unknown;
}

/** A check, or one of WireGuard's packets, as it left a host. */
export interface Packet {
  readonly at: number;
  readonly kind: 'request' | 'answer' | 'wireguard' | 'punch';
  readonly to: string;
  readonly full: boolean;
  readonly ttl: number | undefined;
}

export type Side = ReturnType<typeof createSide>;

export class CheckWorld {
  readonly clock = createFakeClock(WALL_START);
  readonly store = createMemoryStore();
  /** Whether the two hosts reach each other by their own addresses. */
  lan = false;
  readonly #oneWayMs: number;
  readonly sides: readonly [Side, Side];

  constructor(a: SideOptions, b: SideOptions, oneWayMs = 10) {
    this.#oneWayMs = oneWayMs;
    this.sides = [createSide(this, 'a', 'b', a), createSide(this, 'b', 'a', b)];
  }

  other(side: Side): Side {
    return this.sides[0] === side ? this.sides[1] : this.sides[0];
  }

  /** A packet from WireGuard's port of a host; it arrives where both routers let it through. */
  transmit(side: Side, to: Endpoint, ttl: number | undefined, arrive: (from: Endpoint) => void): void {
    const now = this.clock.now();
    const other = this.other(side);
    if (to.address === '127.0.0.1') return;
    if (to.address === other.lanAddress) {
      if (this.lan) void this.clock.sleep(1).then(() => arrive({ family: 4, address: side.lanAddress, port: PORT }));
      return;
    }
    const from = side.router.outgoing(now, to);
    if (ttl !== undefined || to.address !== other.router.address) return;
    if (!other.router.incoming(now, from, to.port)) return;
    void this.clock.sleep(this.#oneWayMs).then(() => arrive(from));
  }

  /** Until both are connected; the milliseconds that it took, undefined: longer than `limitMs`. */
  async connect(limitMs: number): Promise<number | undefined> {
    const from = this.clock.now();
    while (this.sides.some(({ peer }) => peer.phase !== 'connected')) {
      if (this.clock.now() - from >= limitMs) return undefined;
      await this.clock.advance(10);
    }
    return this.clock.now() - from;
  }
}

function createSide(world: CheckWorld, name: string, peerName: string, options: SideOptions) {
  const { clock } = world;
  const { router } = options;
  const [own, far] = [keyPair(name), keyPair(peerName)];
  const wg = createFakeWireGuard(clock);
  const capture = createFakeCapture();
  const logger = createMemoryLogger();
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const packets: Packet[] = [];
  const inside = name === 'a' ? '10.99.1.2' : '10.99.1.1';
  const farSide = createFarSide({ name: peerName, keys: far, own: () => own, storeOf: () => world.store });
  const device = createDeviceEntry(interfaceConfig({ lan: true }, [farSide], ['main']), clock.now());
  if (options.state !== undefined) restoreDeviceState(device, options.state, clock.wallNow());
  const [peer] = device.peers;
  if (!peer) throw new Error('the device has no peer');
  const note = (kind: Packet['kind'], to: Endpoint, ttl?: number) =>
    packets.push({ at: clock.now(), kind, to: formatEndpoint(to), full: ttl === undefined, ttl });

  const lanAddress = name === 'a' ? '192.168.1.2' : '192.168.1.3';
  capture.setInterfaces([
    ...INTERFACES.filter(({ loopback }) => loopback),
    {
      name: 'eth0',
      index: 2,
      up: true,
      loopback: false,
      addresses: [{ family: 4, address: lanAddress, prefixLength: 24 }],
    },
  ]);
  capture.onSend = ({ message, to, options: how }) => {
    const kind = message.length === 1 ? 'punch' : isCheckRequest(message) ? 'request' : 'answer';
    note(kind, to, how?.ttl);
    world.transmit(
      side,
      to,
      how?.ttl,
      (from) => void world.other(side).capture.deliver(message, from, { localPort: PORT }),
    );
  };
  /** WireGuard's handshake with the packet that it kept back, and its answer. */
  const handshake = (packet: Uint8Array): void => {
    const endpoint = wg.peer(DEVICE, far.publicKey)?.endpoint;
    if (!endpoint || !wg.kick(DEVICE, far.publicKey)) return;
    note('wireguard', endpoint);
    world.transmit(side, endpoint, undefined, (from) => {
      const other = world.other(side);
      other.wg.changePeer(DEVICE, own.publicKey, { endpoint: from });
      world.transmit(other, from, undefined, (back) => {
        wg.changePeer(DEVICE, far.publicKey, { endpoint: back });
        wg.handshake(DEVICE, far.publicKey);
        other.wg.handshake(DEVICE, own.publicKey);
        answerEcho(capture, DEVICE, packet, inside);
      });
    });
  };
  capture.onEcho = ({ packet, device: name, to, ttl = 64 }) => {
    if (name !== DEVICE) {
      // The router that holds our public address answers, as far as the ping comes.
      if (to === router.address && ttl >= (options.hops ?? 1)) answerEcho(capture, name, packet, to);
      return;
    }
    const known = wg.peer(DEVICE, far.publicKey);
    const { latestHandshakeAt } = known ?? {};
    if (latestHandshakeAt === undefined || clock.wallNow() - latestHandshakeAt > 180_000) return handshake(packet);
    if (!known?.endpoint) return;
    wg.traffic(DEVICE, far.publicKey, { txBytes: 64 });
    note('wireguard', known.endpoint);
    world.transmit(side, known.endpoint, undefined, (from) => {
      world.other(side).wg.changePeer(DEVICE, own.publicKey, { endpoint: from });
      wg.traffic(DEVICE, far.publicKey, { rxBytes: 64 });
      answerEcho(capture, DEVICE, packet, inside);
    });
  };
  wg.addDevice({
    name: DEVICE,
    ...own,
    listenPort: PORT,
    peers: [
      {
        publicKey: far.publicKey,
        allowedIps: [`${inside}/32`],
        keepaliveSeconds: options.keepaliveSeconds ?? 0,
        ...(options.endpoint ? { endpoint: options.endpoint } : {}),
      },
    ],
  });

  const underlay = createUnderlays({ capture, clock, logger })(device);
  const random = (bytes: number) => Uint8Array.from(randomBytes(bytes));
  const traits = { maxValueBytes: 65_536, minPollMs: 500 };
  const mostPauseMs = () => 2_000;
  const guarded = guardStore({
    name: 'main',
    store: world.store,
    traits,
    timeoutMs: 10_000,
    clock,
    logger,
    mostPauseMs,
  });
  const surroundings: DeviceSurroundings = {
    device,
    clock,
    logger,
    control: wg,
    writer: createEndpointWriter({ control: wg, clock }),
    underlay,
    agent: createAgent({ clock, random, openSocket: underlay.openStunSocket, binding: underlay.binding }),
    checkBudget: new HostCheckBudget(),
    searchHost: createMemorySearch({ clock, logger, signal: stopping.signal }),
    stores: new Map([['main', guarded]]),
    emit() {},
    signal: stopping.signal,
    resolve: async () => [],
    serverAddress: () => undefined,
    stateChanged() {},
    async saveState() {},
    settings: () => ({
      refreshIntervalMs: 600_000,
      mappingCheckMs: 30_000,
      pingMonitor: { fixedRetries: 3 },
      natCheck: false,
      renew: true,
    }),
    async discover(family) {
      if (family !== 4) throw new StunmeshError('ERR_STUN_NO_RESPONSE', 'no server answered');
      await clock.sleep(20);
      const endpoint = router.outgoing(clock.now(), SERVER);
      return { endpoint, mapped: endpoint, server: 'stun.test:3478', rttMs: 20, natted: true };
    },
  };
  const session = createDeviceSession(surroundings);
  let running = Promise.resolve();
  const side = {
    router,
    lanAddress,
    own,
    wg,
    capture,
    logger,
    device,
    peer,
    packets,
    session,
    farSide,
    async start() {
      running = session.run();
      await clock.advance(0);
    },
    async stop() {
      stopping.abort(new StunmeshError('ERR_CLOSED', 'stunmesh is stopping'));
      await clock.advance(2_000);
      await running;
    },
    endpoint: () => {
      const endpoint = wg.peer(DEVICE, far.publicKey)?.endpoint;
      return endpoint && formatEndpoint(endpoint);
    },
    state: () => JSON.parse(JSON.stringify(createDeviceState(device))),
  };
  return side;
}

export function router(
  name: 'a' | 'b',
  kind: Router['kind'] = 'drop',
  mapping: Router['mapping'] = 'preserving',
): Router {
  return new Router(name === 'a' ? '198.51.100.1' : '203.0.113.1', kind, mapping);
}
