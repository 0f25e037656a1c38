/** STUN servers and a raw socket in memory, on a fake clock. */
import { randomBytes } from 'node:crypto';
import { type Endpoint, type StunMessageEvent, StunmeshError, type StunSocket } from '#src/api/index.js';
import { formatEndpoint, parseEndpoint } from '#src/net/index.js';
import { type Agent, type AgentParts, createAgent } from '#src/stun/agent.js';
import { xorAddressAttribute } from '#src/stun/attributes.js';
import {
  formatMessage,
  type MessageClass,
  parseMessage,
  type StunAttribute,
  type StunMessage,
} from '#src/stun/message.js';
import type { FakeClock } from '#src/testing/index.js';

export interface Packet {
  readonly bytes: Uint8Array;
  readonly from?: string;
  readonly toPort?: number;
  readonly afterMs?: number;
}

/** What a server sends upon a request; an error fails the sending itself. */
export type Behaviour = (request: StunMessage, n: number) => readonly Packet[] | StunmeshError;

export interface FakeNetwork {
  readonly sent: { readonly atMs: number; readonly to: string; readonly bytes: Uint8Array }[];
  /** Sockets that were opened, and those that are open now. */
  readonly sockets: { opened: number; open: number };
  add(address: string, behaviour: Behaviour): void;
  openSocket(on: {
    onMessage(event: StunMessageEvent): void;
    onFault(error: StunmeshError): void;
  }): Promise<StunSocket>;
  /** Breaks the open socket. */
  fault(): void;
}

export const LISTEN_PORT = 51820;

export const endpoint = (text: string): Endpoint => {
  const parsed = parseEndpoint(text);
  if (!parsed) throw new Error(`not an endpoint: ${text}`);
  return parsed;
};

export function reply(
  request: StunMessage,
  attributes: readonly StunAttribute[],
  kind: MessageClass = 'success',
): Uint8Array {
  return formatMessage({ class: kind, method: 1, transactionId: request.transactionId, attributes });
}

/** Answers with this mapped address, after `afterMs`. */
export const answering =
  (mapped: string, afterMs = 10): Behaviour =>
  (request) => [{ bytes: reply(request, [xorAddressAttribute(endpoint(mapped), request.transactionId)]), afterMs }];

export const silent: Behaviour = () => [];

export const failing =
  (code: 'ERR_CAPTURE_BLOCKED' | 'ERR_CAPTURE_UNREACHABLE' | 'ERR_CAPTURE_SEND'): Behaviour =>
  () =>
    new StunmeshError(code, `sending failed with ${code}`);

export function createFakeNetwork(clock: FakeClock): FakeNetwork {
  const servers = new Map<string, { behaviour: Behaviour; requests: number }>();
  const sockets = { opened: 0, open: 0 };
  const sent: { atMs: number; to: string; bytes: Uint8Array }[] = [];
  let listener: Parameters<FakeNetwork['openSocket']>[0] | undefined;

  const deliver = async (packet: Packet, server: string): Promise<void> => {
    await clock.sleep(packet.afterMs ?? 0);
    const from = endpoint(packet.from ?? server);
    const address = from.family === 4 ? '0.0.0.0' : '::';
    const to = { family: from.family, address, port: packet.toPort ?? LISTEN_PORT };
    listener?.onMessage({ message: packet.bytes, from, to });
  };

  return {
    sent,
    sockets,
    add: (address, behaviour) => servers.set(address, { behaviour, requests: 0 }),
    fault: () => listener?.onFault(new StunmeshError('ERR_CAPTURE_LOST', 'the socket broke')),
    async openSocket(on) {
      sockets.opened += 1;
      sockets.open += 1;
      listener = on;
      let closed = false;
      return {
        async send(bytes, to) {
          if (closed) throw new StunmeshError('ERR_CLOSED', 'sent after close');
          const server = formatEndpoint(to);
          sent.push({ atMs: clock.now(), to: server, bytes: Uint8Array.from(bytes) });
          const known = servers.get(server);
          const request = parseMessage(bytes);
          if (!known || !request) return;
          known.requests += 1;
          const packets = known.behaviour(request, known.requests);
          if (packets instanceof StunmeshError) throw packets;
          for (const packet of packets) void deliver(packet, server);
        },
        async [Symbol.asyncDispose]() {
          if (!closed) sockets.open -= 1;
          closed = true;
          listener = undefined;
        },
      };
    },
  };
}

/** An agent over a fake socket. */
export function agentOver(clock: FakeClock, openSocket: AgentParts['openSocket'], port = LISTEN_PORT): Agent {
  const random = (bytes: number) => Uint8Array.from(randomBytes(bytes));
  return createAgent({ clock, random, openSocket, binding: () => ({ port, key: String(port) }) });
}

/** What became of a promise, and when by the clock. */
export interface Outcome<T> {
  value?: T;
  error?: unknown;
  atMs?: number;
}

export function watch<T>(promise: Promise<T>, clock: FakeClock): Outcome<T> {
  const outcome: Outcome<T> = {};
  promise.then(
    (value) => Object.assign(outcome, { value, atMs: clock.now() }),
    (error: unknown) => Object.assign(outcome, { error, atMs: clock.now() }),
  );
  return outcome;
}
