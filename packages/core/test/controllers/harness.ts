/** The controllers of one device over doubles: a fake clock, WireGuard, network and stores, and far sides that a test plays. */
import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { type Endpoint, type StoreTraits, StunmeshError } from '#src/api/index.js';
import { createSnapshot, storeSnapshot } from '#src/control/snapshot.js';
import type { DeviceSurroundings } from '#src/controllers/device-components.js';
import { createDeviceSession, type DeviceSession } from '#src/controllers/device-session.js';
import { storePauseMs } from '#src/daemon/stores.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { HostCheckBudget } from '#src/paths/check-budget.js';
import { createDeviceEntry, forgetStore } from '#src/peers/peer-table.js';
import { createDeviceState, restoreDeviceState } from '#src/peers/saved-state.js';
import { heartbeatKey } from '#src/record/store-key.js';
import { guardStore } from '#src/store/guarded-store.js';
import { createAgent } from '#src/stun/agent.js';
import {
  createFakeCapture,
  createFakeClock,
  createFakeWireGuard,
  createMemoryLogger,
  createMemoryStore,
  type MemoryStore,
} from '#src/testing/index.js';
import { createUnderlays } from '#src/underlay/underlay.js';
import { createEndpointWriter } from '#src/wireguard/writes.js';
import { createFarSide, keyPair } from './far-side.js';
import type { Harness, HarnessOptions, Step } from './harness-surface.js';
import { createMemorySearch } from './search/memory-search.js';
import {
  answerEcho,
  covers,
  enterTunnel,
  INTERFACES,
  insideAddress,
  interfaceConfig,
  openSending,
} from './surroundings.js';

export type { Harness, HarnessOptions, Step } from './harness-surface.js';

/** After the day that this code counts as built, so that the clock is believed. */
export const WALL_START = Date.UTC(2027, 0, 1);
export const OWN4 = '203.0.113.9:40000';
export const OWN6 = '[2001:db8:9::9]:40000';

/** How finely `live` plays the far sides' keepalives. */
const BEAT_MS = 5_000;

export function farEndpoint(index: number): string {
  return `198.51.100.${1 + (index % 250)}:${50_000 + index}`;
}

export function createHarness(options: HarnessOptions = {}): Harness {
  const clock = createFakeClock(options.wallStart ?? WALL_START);
  const wg = createFakeWireGuard(clock);
  const capture = createFakeCapture();
  const logger = createMemoryLogger();
  options.prepare?.(capture);
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const steps: Step[] = [];
  const events: Harness['events'] = [];
  const mappings: Harness['mappings'] = new Map([
    [4, OWN4],
    [6, OWN6],
  ]);
  const delays = new Map<string, number>();
  const count = options.peers ?? 1;
  let own = keyPair('own');
  let saves = 0;

  const step = (what: Step['what'], to: string) => steps.push({ at: clock.now(), what, to });

  const stores = new Map<string, MemoryStore>();
  const guarded = new Map<string, ReturnType<typeof guardStore>>();
  const openStore = (name: string, traits: Partial<StoreTraits>): void => {
    const memory = createMemoryStore(new Map(options.stored));
    stores.set(name, memory);
    const wait = async (verb: string, signal: AbortSignal) => {
      const ms = delays.get(`${name} ${verb}`);
      if (ms === Number.POSITIVE_INFINITY) await new Promise(() => {});
      else if (ms !== undefined) await clock.sleep(ms, signal);
    };
    const seen = {
      ...memory,
      async get(key: string, o: { readonly signal: AbortSignal }) {
        step('get', `${name} ${key}`);
        await wait('get', o.signal);
        return memory.get(key, o);
      },
      async set(key: string, value: string, o: { readonly signal: AbortSignal }) {
        step(key === heartbeatKey(own.publicKey) ? 'heartbeat' : 'publish', `${name} ${key}`);
        await wait('set', o.signal);
        return memory.set(key, value, o);
      },
    };
    if (options.watch === false) Reflect.deleteProperty(seen, 'watch');
    const full = { maxValueBytes: 65_536, minPollMs: 500, ...traits };
    const timeoutMs = options.storeTimeoutMs ?? 10_000;
    const mostPauseMs = () =>
      storePauseMs({
        devices: [device],
        store: name,
        refreshIntervalMs: options.refreshIntervalMs ?? 600_000,
        now: clock.now(),
      });
    guarded.set(name, guardStore({ name, store: seen, traits: full, timeoutMs, clock, logger, mostPauseMs }));
  };
  for (const [name, traits] of Object.entries(options.stores ?? { main: {} })) openStore(name, traits);

  const storeOf = (name: string): MemoryStore => {
    const store = stores.get(name);
    if (!store) throw new Error(`no store ${name}`);
    return store;
  };
  const far = Array.from({ length: count }, (_, index) =>
    createFarSide({
      name: `peer-${index}`,
      keys: options.keyOf?.(index) ?? keyPair(`peer ${index}`),
      own: () => own,
      storeOf,
    }),
  );
  const device = createDeviceEntry(
    {
      ...interfaceConfig(options, far, [...stores.keys()]),
      ...(options.fib === undefined ? {} : { fib: options.fib }),
    },
    clock.now(),
  );
  if (options.state !== undefined) restoreDeviceState(device, options.state, clock.wallNow());

  capture.setInterfaces([
    ...INTERFACES,
    {
      name: 'wg0',
      index: 9,
      up: true,
      loopback: false,
      addresses: [{ family: 4, address: '10.99.0.1', prefixLength: 16 }],
    },
  ]);
  capture.onSend = ({ to }) => step('punch', formatEndpoint(to));
  capture.onEcho = ({ to, device: name, packet }) => {
    step('kick', to);
    const target = far.find((f) => covers(wg.peer(name, f.keys.publicKey)?.allowedIps ?? [], to));
    if (target) enterTunnel({ wg, clock, device: name, target, reply: () => answerEcho(capture, name, packet, to) });
  };
  wg.onWrite((call) => {
    if (call.method === 'setPeerEndpoints')
      for (const e of call.endpoints?.values() ?? []) step('set', formatEndpoint(e));
    else if (call.method === 'renewPeer') step('renew', call.endpoint ? formatEndpoint(call.endpoint) : '');
    else step('keepalive', String(call.keepaliveSeconds));
  });

  const harness: Harness = {
    clock,
    wg,
    capture,
    logger,
    device,
    far,
    stores,
    steps,
    events,
    mappings,
    delays,
    stuckDiscovery: false,
    get own() {
      return own;
    },
    get saves() {
      return saves;
    },
    session: undefined as unknown as DeviceSession,
    async start() {
      running = harness.session.run();
      await clock.advance(0);
    },
    async stop(ms = 2_000) {
      stopping.abort(new StunmeshError('ERR_CLOSED', 'stunmesh is stopping'));
      let ended = false;
      void running.then(() => {
        ended = true;
      });
      await clock.advance(ms);
      return ended;
    },
    advance: (ms) => clock.advance(ms),
    entry(index = 0) {
      const entry = device.peers[index];
      if (!entry) throw new Error(`no peer ${index}`);
      return entry;
    },
    peer(index = 0) {
      const side = far[index];
      if (!side) throw new Error(`no peer ${index}`);
      return side;
    },
    only: (...what) => steps.filter((s) => what.includes(s.what)),
    forget() {
      steps.length = 0;
      events.length = 0;
    },
    addDevice(keys = own) {
      own = keys;
      wg.addDevice({
        name: 'wg0',
        ...keys,
        peers: far.map((f, index) => ({
          publicKey: f.keys.publicKey,
          allowedIps: [insideAddress(index)],
          keepaliveSeconds: options.keepaliveSeconds ?? 0,
        })),
      });
    },
    async connect(index = 0, endpoint = farEndpoint(index)) {
      const side = harness.peer(index);
      side.answersAt = endpoint;
      await side.publish({ ipv4: endpoint, t: Math.floor(clock.wallNow() / 1000), n: 1 });
      await clock.advance(3_000);
    },
    async live(ms, indices = far.map((_, index) => index)) {
      const end = clock.now() + ms;
      while (clock.now() < end) {
        await clock.advance(Math.min(BEAT_MS - (clock.now() % BEAT_MS), end - clock.now()));
        for (const index of indices) {
          const { publicKey } = harness.peer(index).keys;
          if (clock.now() % 120_000 === 0) wg.handshake('wg0', publicKey);
          else if (clock.now() % 25_000 === 0) wg.traffic('wg0', publicKey, { rxBytes: 32, txBytes: 32 });
        }
      }
    },
    async replaceStore(name) {
      const before = guarded.get(name);
      openStore(name, options.stores?.[name] ?? {});
      for (const peer of device.peers) forgetStore(peer, name);
      harness.session.reconfigured();
      await before?.close();
    },
    snapshot: () =>
      createSnapshot({
        version: '0',
        startedAt: 0,
        wallNow: clock.wallNow(),
        now: clock.now(),
        device,
        stores: [...guarded.values()].map(storeSnapshot),
      }),
    state: () => JSON.parse(JSON.stringify(createDeviceState(device))),
  };
  let running: Promise<void> = Promise.resolve();
  const underlay = createUnderlays({ capture, clock, logger })(device);
  const random = (bytes: number) => Uint8Array.from(randomBytes(bytes));
  const surroundings: DeviceSurroundings = {
    device,
    clock,
    logger,
    control: wg,
    writer: createEndpointWriter({ control: wg, clock }),
    underlay,
    // A capture that cannot listen leaves attempts as they are for peers that know no checks; those have tests of their own.
    agent: createAgent({ clock, random, openSocket: openSending(underlay), binding: underlay.binding }),
    checkBudget: new HostCheckBudget(),
    searchHost: createMemorySearch({ clock, logger, signal: stopping.signal }),
    saveState: async () => {
      saves += 1;
    },
    stores: guarded,
    emit: (event, peer, data) => void events.push({ event, ...(peer ? { peer: peer.name } : {}), data }),
    signal: stopping.signal,
    resolve: options.resolve ?? (async () => []),
    ...(options.examineNat ? { examineNat: options.examineNat } : {}),
    serverAddress: (family) => (options.serverAddress && family === 4 ? options.serverAddress : undefined),
    stateChanged() {
      saves += 1;
    },
    settings: () => ({
      refreshIntervalMs: options.refreshIntervalMs ?? 600_000,
      mappingCheckMs: options.mappingCheckMs ?? 30_000,
      pingMonitor: { fixedRetries: 3 },
      natCheck: options.natCheck ?? true,
      renew: options.renew ?? true,
    }),
    async discover(family, signal) {
      step('discover', `ipv${family}`);
      if (harness.stuckDiscovery) await clock.sleep(3_600_000, signal);
      const found = mappings.get(family);
      if (typeof found !== 'string') throw found ?? new StunmeshError('ERR_STUN_NO_RESPONSE', 'no server answered');
      const endpoint = parseEndpoint(found) as Endpoint;
      return { endpoint, mapped: endpoint, server: 'stun.test:3478', rttMs: 20, natted: true };
    },
  };
  Object.assign(harness, { session: createDeviceSession(surroundings) });
  if (options.present !== false) harness.addDevice();
  return harness;
}
