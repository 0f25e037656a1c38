/** What a capture module is: packets beside WireGuard's own socket, ICMP echoes, and news of the network. */

import type { Socket } from 'node:net';
import type { Clock } from './clock.js';
import type { Endpoint, Family } from './endpoint.js';
import type { StunmeshError } from './errors.js';
import type { KernelWireGuard } from './kernel-wireguard.js';
import type { PacketFilter } from './packet-filter.js';

export interface StunSendOptions {
  /** How many routers it may pass, 1 to 255. Default: the system's. */
  readonly ttl?: number;
  /** Another port of ours that it leaves from. Default: the socket's. */
  readonly sourcePort?: number;
}

/** Which messages a STUN socket hands over besides answers to its own port. */
export interface StunRequests {
  /** The first four bytes, big-endian, of the tags in the binding requests that are handed over: those of 72 bytes that begin with
   * USERNAME, the tag, at byte 24. The kernel tests up to 360; with more it passes every request of that form, at most 2,000 a
   * second, and the tag is tested behind it. Empty: no request is handed over. */
  readonly tags: readonly number[];
  /** Ports of ours that are heard too, besides the socket's own: requests, and answers with its transaction prefix. */
  readonly ports?: { readonly first: number; readonly last: number };
}

export interface StunSocket extends AsyncDisposable {
  /** Sends `message` as a UDP datagram from WireGuard's listen port; any bytes (F18 punches send one zero byte).
   * Errors: ERR_CAPTURE_BLOCKED (EPERM, EACCES), ERR_CAPTURE_UNREACHABLE, ERR_CAPTURE_SEND. */
  send(message: Uint8Array, to: Endpoint, options?: StunSendOptions): Promise<void>;
  /** From now on these requests are handed over, instead of those of the options or of the last call; what has arrived is not lost.
   * Errors: ERR_CLOSED, those of openStunSocket; what was handed over before still is then. */
  passRequests?(requests: StunRequests | undefined): Promise<void>;
}

export interface EchoSocket extends AsyncDisposable {
  /** Sends an ICMP or ICMPv6 message (no IP header; ICMPv6's checksum is filled in by the kernel) to an address. Errors as StunSocket.send. */
  send(packet: Uint8Array, to: string, options?: { readonly ttl?: number }): Promise<void>;
}

export interface StunMessageEvent {
  /** The UDP payload: the STUN message. */
  readonly message: Uint8Array;
  readonly from: Endpoint;
  /** Where it arrived: our address, as far as the capture knows it ('::' or '0.0.0.0' where not), and port. */
  readonly to: Endpoint;
  readonly interface?: string;
  /** This host's own firewall rewrote the source port of the question, and the answer was seen before that was undone: `to.port` is
   * the port that the firewall chose, not the one that the socket was opened for. */
  readonly rewritten?: boolean;
}

export interface StunSocketOptions {
  readonly family: Family;
  /** WireGuard's listen port: the source of what is sent, the destination of what is received. */
  readonly localPort: number;
  /** The WireGuard device, on which nothing is captured. */
  readonly excludeDevice: string;
  /** SO_MARK of WireGuard's own packets; 0: none. */
  readonly firewallMark: number;
  readonly fib?: number;
  /** Four bytes that the transaction id of every request begins with: a response with another id is not handed over, and is
   * dropped by the kernel, so that forged ones cost nothing. Absent: any response is. */
  readonly transactionPrefix?: Uint8Array;
  /** Absent: no request is handed over. */
  readonly requests?: StunRequests;
  /** Where a capture listens by interface: on those with these names. With `defaultRouteOnly`: on the union of both. */
  readonly interfaces?: readonly string[];
  /** Likewise: on those that the default routes leave by. */
  readonly defaultRouteOnly?: boolean;
  /** Nothing is going to be heard: a capture may spare itself the listening. Default: false. */
  readonly sendOnly?: boolean;
  /** Time for pauses between attempts to listen again; without it a capture waits for news of the network. */
  readonly clock?: Clock;
  readonly signal: AbortSignal;
  onMessage(event: StunMessageEvent): void;
  /** Something that deserves a log line and does not end the socket: ERR_CAPTURE_INTERFACE, ERR_CAPTURE_REWRITTEN, and why one of
   * several interfaces is not listened to (ERR_CAPTURE_OPEN and others). */
  onNotice?(notice: StunmeshError): void;
  /** The socket is of no use any more (ERR_CAPTURE_LOST). */
  onFault(error: StunmeshError): void;
}

export interface EchoSocketOptions {
  readonly family: Family;
  /** The tunnel device that the socket is bound to. */
  readonly device: string;
  /** Packets leave whole: one that is larger than the device takes fails (ERR_CAPTURE_SEND, details.code EMSGSIZE), and no router
   * cuts one up. Default: false. */
  readonly dontFragment?: boolean;
  /** An ICMP message from its type byte on, without IP header, and its sender. */
  onPacket(icmp: Uint8Array, from: string): void;
  onFault(error: StunmeshError): void;
}

/** A UDP socket that speaks with one address alone. */
export interface DatagramSocket extends AsyncDisposable {
  /** Errors: as StunSocket.send. */
  send(message: Uint8Array): Promise<void>;
}

export interface DatagramSocketOptions {
  /** Of a link-local address `zone` is the interface's name. */
  readonly to: Endpoint;
  /** Our address that it sends from. Default: as the system chooses. */
  readonly from?: string;
  readonly firewallMark: number;
  readonly fib?: number;
  onMessage(message: Uint8Array): void;
  /** A message did not arrive (nobody listens there, no route), or the socket is of no use any more. */
  onFault(error: StunmeshError): void;
}

/** A UDP socket of its own port that speaks with many addresses. */
export interface Datagrams extends AsyncDisposable {
  /** Errors: as StunSocket.send. */
  send(message: Uint8Array, to: Endpoint): Promise<void>;
}

export interface DatagramsOptions {
  readonly family: Family;
  readonly firewallMark: number;
  readonly fib?: number;
  onMessage(message: Uint8Array, from: Endpoint): void;
  /** As DatagramSocketOptions.onFault. */
  onFault(error: StunmeshError): void;
}

export interface NetInterface {
  readonly name: string;
  readonly index: number;
  readonly up: boolean;
  readonly loopback: boolean;
  /** The largest packet it takes, in bytes; absent: the capture does not know. */
  readonly mtu?: number;
  readonly addresses: readonly { readonly family: Family; readonly address: string; readonly prefixLength: number }[];
}

export interface NetworkEvent {
  readonly kind: 'link' | 'address' | 'route';
  readonly interface?: string;
}

export interface Route {
  readonly interface: string;
  readonly source: string;
  /** The router that packets are handed to, without zone; absent: the destination is on the link, or the capture does not know. */
  readonly gateway?: string;
}

/** What a capture package exports by default. */
export interface CaptureModule extends PacketFilter {
  readonly kind: 'capture';
  readonly apiVersion: 1;
  readonly name: string;
  readonly platforms: readonly NodeJS.Platform[];
  /** Its sockets see packets before this host's own firewall does: what arrives need not reach WireGuard. Default: false. */
  readonly capturesBeforeFirewall?: boolean;
  /** Absent: the kernel's WireGuard is left to wg(8). */
  readonly wireguard?: KernelWireGuard;
  /** Errors: ERR_CAPTURE_ADDON, ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, ERR_CAPTURE_INTERFACE, the signal's reason. */
  openStunSocket(options: StunSocketOptions): Promise<StunSocket>;
  /** Errors: as openStunSocket. */
  openEchoSocket(options: EchoSocketOptions): Promise<EchoSocket>;
  listInterfaces(): Promise<readonly NetInterface[]>;
  /** The way a packet with this mark would take; undefined: none. */
  routeTo?(options: {
    readonly to: string;
    readonly firewallMark: number;
    readonly fib?: number;
    readonly device?: string;
  }): Promise<Route | undefined>;
  /** A TCP connection whose packets carry this mark (SO_MARK), which the caller closes. Errors: ERR_CAPTURE_ADDON,
   * ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, ERR_CAPTURE_UNREACHABLE, ERR_CAPTURE_SEND (refused), the signal's reason. */
  connectTcp?(options: {
    readonly to: Endpoint;
    readonly firewallMark: number;
    readonly fib?: number;
    readonly signal: AbortSignal;
  }): Promise<Socket>;
  /** A UDP socket whose packets carry this mark. Errors: as openStunSocket. */
  openDatagramSocket?(options: DatagramSocketOptions): Promise<DatagramSocket>;
  /** As openDatagramSocket, but not connected. */
  openDatagrams?(options: DatagramsOptions): Promise<Datagrams>;
  /** Reports changed links, addresses and routes until disposed; not debounced. */
  watchNetwork(options: {
    onChange(event: NetworkEvent): void;
    onFault(error: StunmeshError): void;
  }): Promise<AsyncDisposable>;
}
