/** A host for doctor to examine, over doubles: all is well unless a test changes it. */
import type { TestContext } from 'node:test';
import { type Endpoint, type NetInterface, type Store, type StoreTraits, StunmeshError } from '#src/api/index.js';
import type { Snapshot } from '#src/control/snapshot.js';
import type { DoctorParts } from '#src/doctor/context.js';
import { examine } from '#src/doctor/examine.js';
import { CHECKS, type Finding } from '#src/doctor/finding.js';
import type { System } from '#src/doctor/system.js';
import { encodeEcho, formatEndpoint, parseEcho, parseEndpoint } from '#src/net/index.js';
import { fingerprint } from '#src/record/endpoint-record.js';
import { createChannel } from '#src/record/seal.js';
import { storeKey } from '#src/record/store-key.js';
import { guardStore } from '#src/store/guarded-store.js';
import { ATTRIBUTE, addressAttribute, findAttribute, xorAddressAttribute } from '#src/stun/attributes.js';
import { formatMessage, parseMessage } from '#src/stun/message.js';
import {
  createFakeCapture,
  createFakeClock,
  createFakeWireGuard,
  createMemoryLogger,
  createMemoryStore,
  type FakeCapture,
  type FakeClock,
  type FakeWireGuard,
  type MemoryStore,
} from '#src/testing/index.js';
import { createUnderlays } from '#src/underlay/underlay.js';
import { load } from '../config/fixtures.js';
import { type KeyPair, keyPair } from '../controllers/far-side.js';
import { codedPlain, type PutRecord, plainOf } from '../record/coded.js';

export const NOW = Date.UTC(2027, 0, 2);
export const SERVERS = ['198.51.100.1:3478', '198.51.100.2:3478', '198.51.100.3:3478'] as const;
export const MAPPED = '203.0.113.9:51820';
export const PEER_AT = '203.0.113.77:51820';
export const PEER4 = parseEndpoint(PEER_AT);
/** Seconds since 1970. */
export const now = NOW / 1000;

const INTERFACES: readonly NetInterface[] = [
  ['lo', '127.0.0.1', 8],
  ['eth0', '192.168.1.2', 24],
  ['wg0', '10.0.0.1', 24],
].map(([name, address, prefixLength], i) => ({
  name: String(name),
  index: i + 1,
  up: true,
  loopback: name === 'lo',
  mtu: name === 'wg0' ? 1_420 : 1_500,
  addresses: [{ family: 4, address: String(address), prefixLength: Number(prefixLength) }],
}));

export interface Harness {
  readonly clock: FakeClock;
  readonly capture: FakeCapture;
  readonly wg: FakeWireGuard;
  readonly store: MemoryStore;
  readonly own: KeyPair;
  readonly peer: KeyPair;
  /** What each server says it saw; undefined: it is silent. */
  readonly servers: Map<string, string | undefined>;
  /** The address that the servers could answer from besides; nothing that comes from there gets through the NAT. */
  other: string | undefined;
  /** The largest packet that passes the tunnel, in bytes; 0: nothing is answered. */
  largest: number;
  /** Control sockets and who answers there. */
  readonly daemons: Map<string, Snapshot | StunmeshError>;
  readonly system: { -readonly [K in keyof System]: System[K] };
  /** Replaces members of what doctor is handed. */
  readonly parts: { -readonly [K in keyof DoctorParts]?: DoctorParts[K] };
  config: string;
  /** Instances of the store that were opened and are not closed yet. */
  openStores: number;
  traits: StoreTraits;
  /** Seals a record as the peer (or somebody else) and puts it in its place. */
  put(record: PutRecord, sender?: KeyPair): void;
  examine(): Promise<readonly Finding[]>;
}

const endpoint = (text: string): Endpoint => {
  const parsed = parseEndpoint(text);
  if (!parsed) throw new Error(`not an endpoint: ${text}`);
  return parsed;
};

/** One device, one peer that is connected and has a fresh record, three STUN servers that agree, one store, no daemon. */
export function createHarness(t: TestContext): Harness {
  const clock = createFakeClock(NOW);
  const capture = createFakeCapture();
  const wg = createFakeWireGuard(clock);
  capture.setInterfaces(INTERFACES);
  const store = createMemoryStore();
  const [own, peer] = [keyPair('own'), keyPair('site-b')];
  const servers: Harness['servers'] = new Map(SERVERS.map((server) => [server, MAPPED]));
  const daemons: Harness['daemons'] = new Map();
  capture.onSend = ({ message, to, localPort }) => {
    const request = parseMessage(message);
    if (to.address === '127.0.0.1') {
      capture.deliver(message, { ...to, port: localPort }, { localPort });
      return;
    }
    const mapped = servers.get(formatEndpoint(to));
    if (!request || mapped === undefined || findAttribute(request, ATTRIBUTE.CHANGE_REQUEST)) return;
    const attributes = [
      xorAddressAttribute(endpoint(mapped), request.transactionId),
      ...(harness.other === undefined ? [] : [addressAttribute(ATTRIBUTE.OTHER_ADDRESS, endpoint(harness.other))]),
    ];
    const { transactionId, method } = request;
    capture.deliver(formatMessage({ class: 'success', method, transactionId, attributes }), to, { localPort });
  };
  capture.onEcho = ({ packet, to, device }) => {
    const request = parseEcho(4, packet);
    if (device !== 'wg0' || !request || packet.length + 20 > harness.largest) return;
    capture.deliverEcho('wg0', 4, encodeEcho(4, { ...request, kind: 'reply' }), to);
  };
  wg.addDevice({
    name: 'wg0',
    publicKey: own.publicKey,
    secretKey: own.secretKey,
    peers: [
      { publicKey: peer.publicKey, endpoint: endpoint(PEER_AT), allowedIps: ['10.0.0.2/32'], keepaliveSeconds: 25 },
    ],
  });
  wg.handshake('wg0', peer.publicKey, NOW - 30_000);

  const harness: Harness = {
    clock,
    capture,
    wg,
    store,
    own,
    peer,
    servers,
    other: undefined,
    largest: 1_420,
    daemons,
    system: {
      platform: 'linux',
      userId: 0,
      capabilities: async () => new Set(['CAP_NET_ADMIN', 'CAP_NET_RAW'] as const),
      program: async (name) => `/usr/bin/${name}`,
      kernelModule: async () => 'loaded',
      userspaceDevices: async () => [],
      unixSockets: async () => [...daemons.keys()],
      lockHolder: async () => undefined,
      whoMayChange: async () => undefined,
      httpDate: async () => undefined,
    },
    parts: {},
    openStores: 0,
    traits: { maxValueBytes: 65_536, minPollMs: 500 },
    config: `
stun: { addresses: [${SERVERS.map((server) => `"${server}"`).join(', ')}] }
plugins: { main: { type: builtin, name: file, path: /srv/records } }
interfaces:
  wg0:
    protocol: ipv4
    peers:
      site-b: { public_key: ${peer.publicKey}, plugin: main, protocol: ipv4 }
`,
    put(record, sender = peer) {
      const plain = plainOf(record, fingerprint(sender.publicKey));
      const sealed = createChannel(sender.secretKey, own.publicKey).seal(plain);
      store.records.set(storeKey(peer.publicKey, own.publicKey), sealed);
    },
    async examine() {
      const parts = await assemble();
      const findings: Finding[] = [];
      let ended = false;
      const all = (async () => {
        for await (const group of examine(parts)) findings.push(...group);
        ended = true;
      })();
      for (let step = 0; step < 40 && !ended; step += 1) await clock.advance(500);
      await all;
      return findings;
    },
  };
  harness.put({ ipv4: endpoint(PEER_AT), t: NOW / 1000 - 60, f: fingerprint(peer.publicKey) });
  return harness;

  /** As a machine sees a backend that others see too. */
  function instance(): Store {
    harness.openStores += 1;
    return {
      get: (...call) => store.get(...call),
      set: (...call) => store.set(...call),
      delete: (...call) => store.delete(...call),
      ...(store.examine ? { examine: (call) => store.examine?.(call) ?? Promise.resolve([]) } : {}),
      ...(store.note ? { note: () => store.note?.() } : {}),
      async [Symbol.asyncDispose]() {
        harness.openStores -= 1;
      },
    };
  }

  async function assemble(): Promise<DoctorParts> {
    const loaded = await load(t, harness.config).catch((error: StunmeshError) => error);
    const random = (bytes: number) => Uint8Array.from({ length: bytes }, () => Math.floor(Math.random() * 256));
    return {
      clock,
      loaded,
      control: wg,
      system: harness.system,
      resolve: (host) => Promise.reject(new StunmeshError('ERR_RESOLVE', `${host}: no such name`)),
      random,
      capture: async () => capture,
      underlay: async (device) => {
        const given = (await harness.parts.capture?.()) ?? capture;
        return createUnderlays({ clock, logger: createMemoryLogger(), capture: given })(device);
      },
      openStore: async ({ name, timeoutMs }) =>
        guardStore({ name, store: instance(), traits: harness.traits, timeoutMs, clock, logger: createMemoryLogger() }),
      async readSnapshot(path) {
        const found = daemons.get(path) ?? new StunmeshError('ERR_CONTROL_NOT_RUNNING', `no daemon serves ${path}`);
        if ('code' in found) throw found;
        return found;
      },
      scope: {},
      storeWrite: true,
      signal: new AbortController().signal,
      ...harness.parts,
    };
  }
}

/** A snapshot as a daemon of this harness would give it. */
export function snapshotOf(
  harness: Harness,
  pid: number,
  more: Partial<Snapshot['devices'][number]['peers'][number]> = {},
): Snapshot {
  return {
    type: 'snapshot',
    version: 1,
    stunmesh: '0.1.0',
    pid,
    startedAt: NOW - 3_600_000,
    clockSane: true,
    stores: [],
    devices: [
      {
        name: 'wg0',
        state: 'up',
        reflexive: {},
        discoveries: 1,
        errors: [],
        peers: [
          {
            name: 'site-b',
            publicKey: harness.peer.publicKey,
            phase: 'connected',
            phaseForMs: 1,
            present: true,
            rxBytes: 0,
            txBytes: 0,
            keepaliveSeconds: 25,
            probes: 0,
            endpointWrites: 1,
            renewals: 0,
            reads: 1,
            ...more,
          },
        ],
      },
    ],
  };
}

/** "check verdict text" of each finding that is neither ok nor, unless asked for, a note. */
export function trouble(findings: readonly Finding[], notes = false): readonly string[] {
  return findings
    .filter(({ verdict }) => verdict === 'warning' || verdict === 'fault' || (notes && verdict === 'note'))
    .map(({ check, verdict, text }) => `${check} ${verdict} ${text}`);
}

export function inOrder(findings: readonly Finding[]): boolean {
  const ranks = findings.map(({ check }) => CHECKS.indexOf(check));
  return ranks.every((rank, i) => i === 0 || rank >= (ranks[i - 1] ?? 0));
}

/** No handshake and no daemon: the tunnel is not there. */
export function lonely({ wg, peer }: Harness): void {
  wg.addPeer('wg0', { publicKey: peer.publicKey });
}

/** Our own record for the peer, naming this endpoint. */
export function ownRecord({ store, own, peer }: Harness, at: string, t = now): void {
  const sealed = createChannel(own.secretKey, peer.publicKey).seal(
    codedPlain({ ipv4: at }, { t, f: fingerprint(own.publicKey) }),
  );
  store.records.set(storeKey(own.publicKey, peer.publicKey), sealed);
}
