/** One controller by itself: what all of them are handed, over doubles, and one device with one peer as a dump showed it. */
import { randomBytes } from 'node:crypto';
import { type Device, type Endpoint, StunmeshError } from '#src/api/index.js';
import type { DeviceComponents, NamedStore } from '#src/controllers/device-components.js';
import { createEndpoint } from '#src/net/index.js';
import { HostCheckBudget } from '#src/paths/check-budget.js';
import { createFaults } from '#src/peers/faults.js';
import { createDeviceEntry } from '#src/peers/peer-table.js';
import { createPhases } from '#src/peers/phase.js';
import { createAgent } from '#src/stun/agent.js';
import {
  createFakeCapture,
  createFakeClock,
  createFakeWireGuard,
  createMemoryLogger,
  type PeerSeed,
} from '#src/testing/index.js';
import { createUnderlays } from '#src/underlay/underlay.js';
import { createEndpointWriter } from '#src/wireguard/writes.js';
import { createFarSide, keyPair } from './far-side.js';
import { createMemorySearch } from './search/memory-search.js';
import { type ConfigOptions, INTERFACES, insideAddress, interfaceConfig } from './surroundings.js';

/** Where the peer is found. */
export const FAR: Endpoint = createEndpoint(Uint8Array.of(198, 51, 100, 1), 50_000);

export interface DoubleOptions extends ConfigOptions {
  /** False: the device is missing. Default true. */
  readonly present?: boolean;
  readonly fib?: number;
  readonly listenPort?: number;
  readonly allowedIps?: readonly string[];
  readonly keepaliveSeconds?: number;
  readonly endpoint?: Endpoint;
  readonly stores?: readonly NamedStore[];
  /** Instead of the doubles' own. */
  readonly parts?: Partial<DeviceComponents>;
}

export function createComponents(options: DoubleOptions = {}) {
  const clock = createFakeClock(Date.UTC(2027, 0, 1));
  const wg = createFakeWireGuard(clock);
  const capture = createFakeCapture();
  const logger = createMemoryLogger();
  const stopping = new AbortController();
  const events: { readonly event: string; readonly data: Readonly<Record<string, unknown>> }[] = [];
  const own = keyPair('own');
  const far = createFarSide({
    name: 'peer-0',
    keys: keyPair('peer 0'),
    own: () => own,
    storeOf() {
      throw new Error('there is no store');
    },
  });
  const stores = options.stores ?? [];
  const config = interfaceConfig(options, [far], options.pluginsOf?.(0) ?? stores.map(({ name }) => name));
  const device = createDeviceEntry(
    { ...config, ...(options.fib === undefined ? {} : { fib: options.fib }) },
    clock.now(),
  );
  const [peer] = device.peers;
  if (!peer) throw new Error('the device has no peer');
  capture.setInterfaces(INTERFACES);
  const seed: PeerSeed = {
    publicKey: far.keys.publicKey,
    allowedIps: options.allowedIps ?? [insideAddress(0)],
    keepaliveSeconds: options.keepaliveSeconds ?? 0,
    ...(options.endpoint ? { endpoint: options.endpoint } : {}),
  };
  wg.addDevice({ name: 'wg0', ...own, listenPort: options.listenPort ?? 51_820, peers: [seed] });

  /** The table as a dump shows the device now. */
  const refresh = (): void => {
    const shown = wg.peer('wg0', far.keys.publicKey);
    peer.observed = shown;
    const facts: Device = {
      name: 'wg0',
      realName: 'wg0',
      ...own,
      listenPort: options.listenPort ?? 51_820,
      firewallMark: 0,
      peers: new Map(shown ? [[shown.publicKey, shown]] : []),
    };
    device.facts = facts;
  };
  if (options.present !== false) refresh();

  const storeMap = new Map(stores.map((store) => [store.name, store]));
  /** What a test may change while the controllers run. */
  const outside = {
    discover:
      options.parts?.discover ??
      (async () => {
        throw new StunmeshError('ERR_STUN_NO_RESPONSE', 'no server answered');
      }),
  };
  const surroundings = {
    device,
    clock,
    logger,
    emit: (event: string, _peer: unknown, data: Readonly<Record<string, unknown>>) => void events.push({ event, data }),
    signal: stopping.signal,
  };
  const underlay = createUnderlays({ capture, clock, logger })(device);
  const random = (bytes: number) => Uint8Array.from(randomBytes(bytes));
  const c: DeviceComponents = {
    ...surroundings,
    phases: createPhases(surroundings),
    faults: createFaults(surroundings),
    control: wg,
    writer: createEndpointWriter({ control: wg, clock }),
    underlay,
    agent: createAgent({ clock, random, openSocket: underlay.openStunSocket, binding: underlay.binding }),
    stores: storeMap,
    resolve: async () => [],
    serverAddress: () => undefined,
    settings: () => ({
      refreshIntervalMs: 600_000,
      mappingCheckMs: 30_000,
      pingMonitor: { fixedRetries: 3 },
      natCheck: true,
      renew: true,
    }),
    stateChanged() {},
    saveState: async () => {},
    checkBudget: new HostCheckBudget(),
    searchHost: createMemorySearch({ clock, logger, signal: stopping.signal }),
    ...options.parts,
    discover: (family, signal) => outside.discover(family, signal),
  };
  return {
    c,
    outside,
    storeMap,
    clock,
    wg,
    capture,
    logger,
    stopping,
    events,
    device,
    peer,
    own,
    far,
    refresh,
    /** Every address has a route by this interface. */
    route(name: string): void {
      capture.routeTo = async () => ({ interface: name, source: 'fd00::1' });
    },
  };
}
