/** A capture module without packets: a test sees what was sent, plays the network, and causes every kind of trouble. */
import { isIP } from 'node:net';
import {
  type CaptureModule,
  type EchoSocketOptions,
  type Endpoint,
  type ErrorCode,
  type Family,
  type NetInterface,
  type NetworkEvent,
  type PacketFilter,
  type Route,
  StunmeshError,
  type StunRequests,
  type StunSendOptions,
  type StunSocketOptions,
} from '../api/index.js';
import { createStunMatch, createStunTest } from '../net/stun-match.js';
import { createFakePacketFilter, type FakePacketFilter } from './fake-filter.js';
import { createFakeRoutes, DEFAULT_INTERFACES, type RoutedPackets } from './fake-routes.js';
import { createFakeTraffic, type FakeTraffic } from './fake-traffic.js';

export type { RoutedPackets } from './fake-routes.js';

export interface SentMessage {
  readonly message: Uint8Array;
  readonly to: Endpoint;
  readonly localPort: number;
  readonly firewallMark: number;
  readonly fib?: number;
  /** As they were asked for. */
  readonly options?: StunSendOptions;
}

export interface SentEcho {
  readonly packet: Uint8Array;
  readonly to: string;
  readonly device: string;
  readonly ttl?: number;
}

/** Calls that can be made to fail. `filter`: all of the packet filter. */
export type FakeCall =
  | 'openStunSocket'
  | 'openEchoSocket'
  | 'send'
  | 'echo'
  | 'filter'
  | 'openDatagrams'
  | 'datagram'
  | 'connectTcp';

type Packets = Required<PacketFilter & Pick<CaptureModule, 'openDatagrams' | 'connectTcp'>>;

export interface FakeCapture extends Omit<CaptureModule, keyof Packets>, Packets {
  readonly rules: FakePacketFilter;
  readonly traffic: FakeTraffic;
  /** Everything that went out, oldest first; failed sends are not in it. */
  readonly sent: SentMessage[];
  readonly echoes: SentEcho[];
  /** Options of the sockets and watchers that are open now. */
  readonly stunSockets: ReadonlySet<StunSocketOptions>;
  readonly echoSockets: ReadonlySet<EchoSocketOptions>;
  readonly watchers: number;
  /** The scripted network: what happens after a message or an echo left; throw a StunmeshError to make that send fail. */
  onSend: (sent: SentMessage) => void;
  onEcho: (sent: SentEcho) => void;
  /** Calls of this kind fail with the error until it is set to undefined. */
  fail(what: FakeCall, error: StunmeshError | undefined): void;
  /** A datagram arrives; every open socket that a capture module's filter would hand it to gets it. Says how many did. */
  deliver(
    message: Uint8Array,
    from: Endpoint,
    options: { readonly localPort: number; readonly address?: string; readonly interface?: string },
  ): number;
  /** An ICMP message arrives through a device; says how many sockets got it. */
  deliverEcho(device: string, family: Family, icmp: Uint8Array, from: string): number;
  /** The open STUN sockets are of no use any more. */
  loseStunSockets(): void;
  /** The device is gone: its echo sockets fault and close, it leaves the interfaces, and no echo socket opens on it (others open on any name). */
  loseDevice(device: string): void;
  setInterfaces(interfaces: readonly NetInterface[]): void;
  /** The route to an address, of packets that are as `of` says; undefined: none, and sending there fails too. The last one set counts of
   * those that hold, most closely described first. Without any call every address has a route by the first interface that is no loopback. */
  setRoute(to: string, route: Route | undefined, of?: RoutedPackets): void;
  /** Tells the watchers that the network changed. */
  change(event: NetworkEvent): void;
}

export function createFakeCapture(): FakeCapture {
  const stunSockets = new Set<StunSocketOptions>();
  const passed = new Map<StunSocketOptions, StunRequests | undefined>();
  const echoSockets = new Set<EchoSocketOptions>();
  const watchers = new Set<{ onChange(event: NetworkEvent): void }>();
  const failures = new Map<FakeCall, StunmeshError>();
  const routes = createFakeRoutes();
  const gone = new Set<string>();
  let interfaces = DEFAULT_INTERFACES;

  const check = (what: FakeCall) => {
    const failure = failures.get(what);
    if (failure) throw failure;
  };
  const checkRoute = (to: string, packet: RoutedPackets = {}) => {
    const known = routes.find(to, packet);
    if (known && !known.route) throw captureError('ERR_CAPTURE_UNREACHABLE');
  };
  const lost = (what: string) => new StunmeshError('ERR_CAPTURE_LOST', `${what} is gone`);

  const rules = createFakePacketFilter(check);
  const traffic = createFakeTraffic({ check, checkRoute });
  const { muffle, divert, diversions, hushPorts, removeRules } = rules;

  const fake: FakeCapture = {
    muffle,
    divert,
    diversions,
    hushPorts,
    removeRules,
    openDatagrams: traffic.openDatagrams,
    connectTcp: traffic.connectTcp,
    rules,
    traffic,
    kind: 'capture',
    apiVersion: 1,
    name: 'fake',
    platforms: ['linux', 'darwin', 'freebsd'],
    sent: [],
    echoes: [],
    stunSockets,
    echoSockets,
    get watchers() {
      return watchers.size;
    },
    onSend: () => {},
    onEcho: () => {},

    async openStunSocket(options) {
      options.signal.throwIfAborted();
      check('openStunSocket');
      const { localPort, firewallMark, fib, family, signal } = options;
      stunSockets.add(options);
      passed.set(options, options.requests);
      const close = () => {
        stunSockets.delete(options);
        passed.delete(options);
      };
      signal.addEventListener('abort', close, { once: true });
      return {
        async send(message, to, how) {
          const { ttl = 1, sourcePort = localPort } = how ?? {};
          if (!stunSockets.has(options)) throw closed('STUN');
          if (ttl < 1 || ttl > 255 || sourcePort < 1 || sourcePort > 65_535) throw captureError('ERR_CAPTURE_SEND');
          if (to.family !== family) throw wrongFamily(to.address, family);
          check('send');
          checkRoute(to.address, { firewallMark, ...(fib === undefined ? {} : { fib }) });
          const sent = {
            message: Uint8Array.from(message),
            to,
            localPort: sourcePort,
            firewallMark,
            ...(fib !== undefined && { fib }),
            ...(how && { options: how }),
          };
          fake.onSend(sent);
          fake.sent.push(sent);
        },
        async passRequests(requests) {
          if (!stunSockets.has(options)) throw closed('STUN');
          passed.set(options, requests);
        },
        async [Symbol.asyncDispose]() {
          signal.removeEventListener('abort', close);
          close();
        },
      };
    },

    async openEchoSocket(options) {
      check('openEchoSocket');
      if (gone.has(options.device)) throw captureError('ERR_CAPTURE_OPEN');
      echoSockets.add(options);
      return {
        async send(packet, to, { ttl } = {}) {
          if (!echoSockets.has(options)) throw closed('echo');
          if (isIP(to) !== options.family) throw wrongFamily(to, options.family);
          check('echo');
          checkRoute(to);
          const sent = { packet: Uint8Array.from(packet), to, device: options.device, ...(ttl && { ttl }) };
          fake.onEcho(sent);
          fake.echoes.push(sent);
        },
        async [Symbol.asyncDispose]() {
          echoSockets.delete(options);
        },
      };
    },

    listInterfaces: async () => interfaces,

    async routeTo({ to, ...packet }) {
      const { device } = packet;
      const known = routes.find(to, packet);
      // What was said of all packets binds one that is bound to an interface only where it leaves by that.
      const binds = device === undefined || known?.of.device === device || known?.route?.interface === device;
      if (known && binds) return known.route;
      const family: Family = to.includes(':') ? 6 : 4;
      const via = interfaces.find((i) => i.up && (device === undefined ? !i.loopback : i.name === device));
      const source = via?.addresses.find((a) => a.family === family);
      return via && source && { interface: via.name, source: source.address };
    },

    async watchNetwork(on) {
      const watcher = { onChange: (event: NetworkEvent) => on.onChange(event) };
      watchers.add(watcher);
      return {
        async [Symbol.asyncDispose]() {
          watchers.delete(watcher);
        },
      };
    },

    fail(what, error) {
      if (error) failures.set(what, error);
      else failures.delete(what);
    },

    deliver(message, from, { localPort, address, interface: via }) {
      const to = { family: from.family, address: address ?? (from.family === 4 ? '0.0.0.0' : '::'), port: localPort };
      const takers = [...stunSockets].filter(
        (s) =>
          s.family === from.family &&
          (via === undefined || s.excludeDevice !== via) &&
          createStunTest(createStunMatch(s, passed.get(s)))(message, from.port, localPort),
      );
      for (const taker of takers)
        taker.onMessage({ message: Uint8Array.from(message), from, to, ...(via !== undefined && { interface: via }) });
      return takers.length;
    },

    deliverEcho(device, family, icmp, from) {
      const takers = [...echoSockets].filter((s) => s.device === device && s.family === family);
      for (const taker of takers) taker.onPacket(Uint8Array.from(icmp), from);
      return takers.length;
    },

    loseStunSockets() {
      for (const socket of [...stunSockets]) {
        stunSockets.delete(socket);
        socket.onFault(lost('the STUN socket'));
      }
    },

    loseDevice(device) {
      interfaces = interfaces.filter((i) => i.name !== device);
      gone.add(device);
      for (const socket of [...echoSockets].filter((s) => s.device === device)) {
        echoSockets.delete(socket);
        socket.onFault(lost(`the device ${device} of the echo socket`));
      }
    },

    setInterfaces(list) {
      interfaces = list;
      for (const { name } of list) gone.delete(name);
    },

    setRoute: routes.set,

    change(event) {
      for (const watcher of [...watchers]) watcher.onChange(event);
    },
  };
  return fake;
}

/** An error as a capture module reports it, for fail() and the scripted network. */
export function captureError(code: ErrorCode & `ERR_CAPTURE_${string}`): StunmeshError {
  return new StunmeshError(code, `${code} of the fake capture`);
}

function closed(kind: string): StunmeshError {
  return new StunmeshError('ERR_CLOSED', `the ${kind} socket is closed`);
}

function wrongFamily(address: string, family: Family): StunmeshError {
  return new StunmeshError(
    'ERR_CAPTURE_SEND',
    `${address} is not an address of IPv${family}, which this socket is for`,
  );
}
