/** One device's way out below the tunnel: capture, firewall mark, routing table and the kernel's name of the device are bound here once, and nobody else asks the capture for a device. */
import type { Socket } from 'node:net';
import {
  type CaptureModule,
  type Clock,
  type DatagramSocket,
  type DatagramSocketOptions,
  type Device,
  type Diversion,
  type DiversionRules,
  type EchoSocket,
  type EchoSocketOptions,
  type Endpoint,
  type Family,
  hasCode,
  type Logger,
  type NetInterface,
  type NetworkEvent,
  type Route,
  StunmeshError,
  type StunSocket,
  type StunSocketOptions,
} from '../api/index.js';

/** Interfaces are listed at most this often, however many peers ask. */
const INTERFACES_MS = 1_000;
/** How long the first socket may take. */
const CHECK_MS = 2_000;
/** Different remarks of a capture that are remembered, so that none is logged twice. */
const NOTICES = 64;

/** What is asked of a device, read afresh at each call; peers' DeviceEntry is one. */
export interface UnderlayDevice {
  readonly name: string;
  /** undefined: the device is missing. */
  readonly facts: Pick<Device, 'realName' | 'listenPort' | 'firewallMark'> | undefined;
  readonly config: {
    readonly fib?: number;
    readonly listenInterfaces: readonly string[];
    readonly listenDefaultRoute: boolean;
  };
}

export interface UnderlayParts {
  readonly capture: CaptureModule;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What of a STUN socket is not the device's own. */
export type UnderlaySocketOptions = Pick<
  StunSocketOptions,
  'family' | 'transactionPrefix' | 'requests' | 'sendOnly' | 'signal' | 'onMessage' | 'onFault'
>;

export interface Underlay {
  /** Sends from WireGuard's port, by WireGuard's way. Errors: those of CaptureModule.openStunSocket; ERR_WG_DEVICE_NOT_FOUND. */
  openStunSocket(options: UnderlaySocketOptions): Promise<StunSocket>;
  /** What a STUN socket that is opened now is bound to, the port and all of it as a key. Port 0: WireGuard has none, and no socket can
   * have its. Errors: ERR_WG_DEVICE_NOT_FOUND. */
  binding(): { readonly port: number; readonly key: string };
  /** `device`: an interface by its name; default: the tunnel itself. Errors: as openStunSocket. */
  openEchoSocket(options: Omit<EchoSocketOptions, 'device'> & { readonly device?: string }): Promise<EchoSocket>;
  /** A UDP socket towards one address, by WireGuard's way. Errors: those of CaptureModule.openDatagramSocket. */
  openDatagramSocket(options: Omit<DatagramSocketOptions, 'firewallMark' | 'fib'>): Promise<DatagramSocket>;
  /** A TCP connection by WireGuard's way, which the caller closes. Errors: those of CaptureModule.connectTcp. */
  connectTcp(options: { readonly to: Endpoint; readonly signal: AbortSignal }): Promise<Socket>;
  /** False: the capture has no such sockets. */
  readonly opensSockets: boolean;
  /** How WireGuard's own packets would leave towards this address; undefined: not at all, or the capture cannot tell. */
  routeTo(to: string): Promise<Route | undefined>;
  /** How they would leave without the firewall mark. */
  unmarkedRouteTo(to: string): Promise<Route | undefined>;
  /** False: the capture tells no routes. */
  readonly tellsRoutes: boolean;
  /** Why nothing must be sent to this address, as part of a sentence; undefined: nothing is against it (F19). */
  refusal(address: string): Promise<string | undefined>;
  /** Whether a packet of this host to an address inside the tunnel enters this very tunnel. */
  leadsInside(to: string): Promise<boolean>;
  /** This host's interfaces, at most a second old. */
  interfaces(): Promise<readonly NetInterface[]>;
  /** Addresses of all of them. */
  ownAddresses(): Promise<readonly string[]>;
  /** Addresses of the tunnel itself. */
  tunnelAddresses(): Promise<readonly string[]>;
  watchNetwork(on: {
    onChange(event: NetworkEvent): void;
    onFault(error: StunmeshError): void;
  }): Promise<AsyncDisposable>;
  /** Drops what arrives from `remote` at WireGuard's port for so long (F48); false: this capture cannot. Errors: those of PacketFilter. */
  muffle(remote: Endpoint, ms: number): Promise<boolean>;
  /** Whether packets can be diverted here, as far as is known: false once the kernel has refused to list diversions. They leave from another port than WireGuard's, and answers to it reach WireGuard. */
  readonly diverts: boolean;
  /** Errors: those of PacketFilter; ERR_CAPTURE_FILTER where the capture cannot. */
  divert(rules: Omit<DiversionRules, 'device'>): Promise<Diversion>;
  /** Those of this device that are in force; none where the capture cannot. Errors: those of PacketFilter. */
  diversions(): Promise<readonly Diversion[]>;
  /** No word that these ports are closed, for so long, where the capture can. Errors: those of PacketFilter. */
  hushPorts(ports: readonly number[], ms: number): Promise<void>;
  /** The capture sees packets before this host's own firewall does. */
  readonly beforeFirewall: boolean;
}

/** A maker of underlays, one for each device; they share the list of interfaces. */
export function createUnderlays(parts: UnderlayParts): (device: UnderlayDevice) => Underlay {
  const interfaces = cachedInterfaces(parts);
  return (device) => bind(parts, interfaces, device);
}

function cachedInterfaces({ capture, clock }: UnderlayParts): () => Promise<readonly NetInterface[]> {
  let listed: { readonly at: number; readonly result: Promise<readonly NetInterface[]> } | undefined;
  return () => {
    if (!listed || clock.now() - listed.at > INTERFACES_MS)
      listed = { at: clock.now(), result: capture.listInterfaces() };
    return listed.result;
  };
}

function bind(parts: UnderlayParts, interfaces: Underlay['interfaces'], device: UnderlayDevice): Underlay {
  const { capture, clock } = parts;
  const notice = createNotices(parts.logger, device.name);
  const present = (): NonNullable<UnderlayDevice['facts']> => {
    if (!device.facts) throw new StunmeshError('ERR_WG_DEVICE_NOT_FOUND', `the device ${device.name} is not there`);
    return device.facts;
  };
  const fib = () => (device.config.fib === undefined ? {} : { fib: device.config.fib });
  let diverts = capture.divert !== undefined;
  const route = async (to: string, firewallMark: number) => capture.routeTo?.({ to, firewallMark, ...fib() });

  return {
    get tellsRoutes() {
      return capture.routeTo !== undefined;
    },
    // WireGuard's own socket stands behind it.
    beforeFirewall: capture.capturesBeforeFirewall === true,
    async openStunSocket(options) {
      const { listenPort, realName, firewallMark } = present();
      const { listenInterfaces, listenDefaultRoute } = device.config;
      return capture.openStunSocket({
        localPort: listenPort,
        excludeDevice: realName,
        firewallMark,
        ...fib(),
        ...(listenInterfaces.length === 0 ? {} : { interfaces: listenInterfaces }),
        defaultRouteOnly: listenDefaultRoute,
        clock,
        onNotice: (error) => notice(options.family, error),
        ...options,
      });
    },
    binding() {
      const { listenPort: port, realName, firewallMark } = present();
      const { fib, listenInterfaces, listenDefaultRoute } = device.config;
      return { port, key: JSON.stringify([port, realName, firewallMark, fib, listenInterfaces, listenDefaultRoute]) };
    },
    openEchoSocket: async (options) =>
      capture.openEchoSocket({ ...options, device: options.device ?? present().realName }),
    opensSockets: capture.openDatagramSocket !== undefined && capture.connectTcp !== undefined,
    async openDatagramSocket(options) {
      if (!capture.openDatagramSocket) throw unable(capture);
      return capture.openDatagramSocket({ ...options, firewallMark: present().firewallMark, ...fib() });
    },
    async connectTcp(options) {
      if (!capture.connectTcp) throw unable(capture);
      return capture.connectTcp({ ...options, firewallMark: present().firewallMark, ...fib() });
    },
    routeTo: (to) => route(to, device.facts?.firewallMark ?? 0),
    unmarkedRouteTo: (to) => route(to, 0),
    async refusal(address) {
      const { realName, firewallMark } = present();
      const way = await route(address, firewallMark);
      return way?.interface === realName ? 'its route leaves by the tunnel itself' : undefined;
    },
    async leadsInside(to) {
      if (!capture.routeTo) return true;
      const { realName } = present();
      // No `fib`: that one is for WireGuard's own packets; what enters the tunnel comes from this host's programs.
      const way = await capture.routeTo({ to, firewallMark: 0, device: realName });
      return way?.interface === realName;
    },
    interfaces,
    ownAddresses: async () => addressesOf(await interfaces()),
    tunnelAddresses: async () =>
      addressesOf((await interfaces()).filter(({ name }) => name === device.facts?.realName)),
    watchNetwork: (on) => capture.watchNetwork(on),
    async muffle(remote, ms) {
      const { realName, listenPort } = present();
      if (!capture.muffle) return false;
      await capture.muffle({ device: realName, localPort: listenPort, remote, ms });
      return true;
    },
    get diverts() {
      return diverts;
    },
    async divert(rules) {
      const { realName } = present();
      if (!capture.divert)
        throw new StunmeshError('ERR_CAPTURE_FILTER', `the capture ${capture.name} has no rules to divert packets by`);
      return capture.divert({ device: realName, ...rules });
    },
    async diversions() {
      try {
        return (await capture.diversions?.(present().realName)) ?? [];
      } catch (error) {
        // A kernel without nf_tables: what cannot be listed cannot be put there.
        if (hasCode(error, 'ERR_CAPTURE_FILTER')) diverts = false;
        throw error;
      }
    },
    hushPorts: async (ports, ms) => capture.hushPorts?.({ device: present().realName, ports, ms }),
  };
}

function unable({ name }: CaptureModule): StunmeshError {
  return new StunmeshError('ERR_INTERNAL', `the capture ${name} opens no sockets that take WireGuard's way`);
}

function addressesOf(interfaces: readonly NetInterface[]): readonly string[] {
  return interfaces.flatMap((one) => one.addresses.map(({ address }) => address));
}

/** Opens and closes a raw socket: what it needs is missed now rather than at the first discovery (F39). Errors: ERR_CAPTURE_PERMISSION. */
export async function checkPrivileges({ capture, clock }: Pick<UnderlayParts, 'capture' | 'clock'>): Promise<void> {
  using deadline = clock.deadline(CHECK_MS);
  try {
    const nothing = () => undefined;
    const options = {
      localPort: 1,
      excludeDevice: '',
      firewallMark: 0,
      signal: deadline.signal,
      onMessage: nothing,
      onFault: nothing,
    };
    const socket = await capture.openStunSocket({ family: 4, ...options });
    await socket[Symbol.asyncDispose]();
  } catch (error) {
    // Anything else may pass; a discovery that meets it says so.
    if (hasCode(error, 'ERR_CAPTURE_PERMISSION') || hasCode(error, 'ERR_CAPTURE_ADDON')) throw error;
  }
}

/** Each once: sockets are opened often, and what is wrong stays wrong. */
function createNotices(logger: Logger, device: string): (family: Family, error: StunmeshError) => void {
  const told = new Set<string>();
  return (family, error) => {
    const key = `${family} ${error.message}`;
    if (told.has(key)) return;
    if (told.size >= NOTICES) told.clear();
    told.add(key);
    logger.warn({ device, error }, 'the capture works, but for this');
  };
}
