/** System calls of a FreeBSD or macOS that is played by the test: sockets that remember, scripted interfaces, packets on demand. */
import type { NativeSocket, PacketListener, SystemError } from '@stunmesh/core/capture-kit';
import { encodeSockaddr } from '@stunmesh/core/capture-kit';
import type { FrameListener, Native, NativeBpf, NativeInterface } from '#src/native.js';

export const FREEBSD: Native['constants'] = {
  AF_INET: 2,
  AF_INET6: 28,
  AF_ROUTE: 17,
  PF_ROUTE: 17,
  SOCK_RAW: 3,
  SOCK_DGRAM: 2,
  SOCK_STREAM: 1,
  SOL_SOCKET: 0xffff,
  SO_RCVBUF: 0x1002,
  SO_SETFIB: 0x1014,
  SO_USER_COOKIE: 0x1015,
  SO_BINDTODEVICE: 0,
  SO_MARK: 0,
  IPPROTO_IP: 0,
  IPPROTO_ICMP: 1,
  IPPROTO_UDP: 17,
  IPPROTO_IPV6: 41,
  IPPROTO_ICMPV6: 58,
  IP_TTL: 4,
  IP_DONTFRAG: 67,
  IPV6_DONTFRAG: 62,
  IP_BOUND_IF: 0,
  IPV6_BOUND_IF: 0,
  IPV6_UNICAST_HOPS: 4,
  IPV6_CHECKSUM: 26,
  IPV6_RECVPKTINFO: 36,
  ICMP6_FILTER: 18,
  IFF_UP: 1,
  IFF_LOOPBACK: 8,
  IFF_POINTOPOINT: 0x10,
  IFF_RUNNING: 0x40,
  SOCKADDR_HAS_LENGTH: 1,
};

export const MACOS: Native['constants'] = {
  ...FREEBSD,
  AF_INET6: 30,
  SO_SETFIB: 0,
  SO_USER_COOKIE: 0,
  IP_BOUND_IF: 25,
  IPV6_BOUND_IF: 125,
  IPV6_RECVPKTINFO: 61,
};

export const IFT = { ether: 6, loop: 24, ppp: 23, tunnel: 131 } as const;

export interface FakeInterface {
  readonly name: string;
  readonly type?: number;
  readonly up?: boolean;
  readonly groups?: readonly string[];
  readonly addresses?: readonly string[];
}

export interface FakeSocket {
  readonly kind: readonly [domain: number, type: number, protocol: number] | 'bpf';
  readonly options: { readonly level: number; readonly name: number; readonly value: Uint8Array }[];
  readonly sent: { readonly packet: Uint8Array; readonly to: Uint8Array }[];
  /** Calls on a bpf device, in order. */
  readonly calls: string[];
  interfaceName?: string;
  filter?: Uint8Array;
  limit?: readonly [perSecond: number, value: number, offsets: Uint8Array];
  open: boolean;
  resumed: number;
  onPacket?: PacketListener;
  onFrame?: FrameListener;
}

export interface FakeNative extends Native {
  readonly sockets: readonly FakeSocket[];
  /** Those that are open. */
  openOnes(kind?: 'bpf'): readonly FakeSocket[];
  setInterfaces(list: readonly FakeInterface[]): void;
  /** The source address towards every destination, or none: no route. */
  source: string | undefined;
  /** DLT_ number of every interface. */
  dataLink: number;
  /** Fails the next calls of this name until it is removed. */
  readonly failures: Map<string, SystemError>;
}

export function systemError(code: string, syscall: string): SystemError {
  return Object.assign(new Error(`${syscall}: ${code}`), { code, errno: -1, syscall });
}

export function createFakeNative(constants: Native['constants'] = FREEBSD): FakeNative {
  const sockets: FakeSocket[] = [];
  const failures = new Map<string, SystemError>();
  let list: readonly FakeInterface[] = [];
  const of = (socket: NativeSocket) => socket as unknown as FakeSocket;
  const make = <T extends NativeSocket>(kind: FakeSocket['kind']): T => {
    const socket: FakeSocket = { kind, options: [], sent: [], calls: [], open: true, resumed: 0 };
    sockets.push(socket);
    return socket as unknown as T;
  };
  const check = (name: string) => {
    const failure = failures.get(name);
    if (failure) throw failure;
  };
  const on = (bpf: NativeBpf, call: string) => {
    of(bpf).calls.push(call);
    check(call);
  };
  const indexOf = (name: string) => list.findIndex((i) => i.name === name) + 1;

  const fake: FakeNative = {
    constants,
    sockets,
    failures,
    source: undefined,
    dataLink: 1,
    openOnes: (kind) => sockets.filter((s) => s.open && (kind === undefined || s.kind === kind)),
    setInterfaces(next) {
      list = next;
    },
    open(...kind) {
      check('open');
      return make(kind);
    },
    setOption(socket, level, name, value) {
      check('setOption');
      of(socket).options.push({ level, name, value });
    },
    bind() {},
    connect() {
      if (fake.source === undefined) throw systemError('ENETUNREACH', 'connect');
    },
    localAddress: () => encodeSockaddr(fake, fake.source ?? '0.0.0.0', 4711),
    send(socket, packet, to) {
      check('send');
      of(socket).sent.push({ packet, to });
    },
    drain: () => 0,
    limit(socket, ...limit) {
      of(socket).limit = limit;
    },
    release: () => 0,
    receive: () => undefined,
    start(socket, _size, listener) {
      of(socket).onPacket = listener;
    },
    resume(socket) {
      of(socket).resumed += 1;
    },
    close(socket) {
      of(socket).open = false;
    },
    interfaceIndex: indexOf,
    interfaceName: (index) => list[index - 1]?.name ?? '',
    listInterfaces: () =>
      list.map(
        ({ name, type = IFT.ether, up = true, groups = [], addresses = [] }): NativeInterface => ({
          name,
          index: indexOf(name),
          type,
          groups,
          flags: (up ? constants.IFF_UP : 0) | (type === IFT.loop ? constants.IFF_LOOPBACK : 0),
          addresses: addresses.map((address) => encodeSockaddr(fake, address, 0)),
        }),
      ),
    openBpf() {
      check('openBpf');
      return make('bpf');
    },
    setBpfBuffer(bpf, bytes) {
      on(bpf, 'setBpfBuffer');
      return bytes;
    },
    setBpfImmediate: (bpf) => on(bpf, 'setBpfImmediate'),
    setBpfFilter(bpf, program) {
      on(bpf, 'setBpfFilter');
      of(bpf).filter = program;
    },
    replaceBpfFilter(bpf, program) {
      on(bpf, 'replaceBpfFilter');
      of(bpf).filter = program;
    },
    attachBpf(bpf, name) {
      on(bpf, 'attachBpf');
      if (indexOf(name) === 0) throw systemError('ENXIO', 'ioctl');
      of(bpf).interfaceName = name;
    },
    setBpfIncoming: (bpf) => on(bpf, 'setBpfIncoming'),
    bpfDataLink(bpf) {
      on(bpf, 'bpfDataLink');
      return fake.dataLink;
    },
    bpfStatistics: () => ({ received: 0, dropped: 0 }),
    startFrames(bpf, listener) {
      on(bpf, 'startFrames');
      of(bpf).onFrame = listener;
    },
  };
  return fake;
}
