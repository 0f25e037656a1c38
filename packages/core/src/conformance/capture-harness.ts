/** What the cases for capture modules run on: the harness that an author gives, messages, and sockets with inboxes. */
import assert from 'node:assert/strict';
import {
  type CaptureModule,
  type Endpoint,
  type ErrorCode,
  type Family,
  hasCode,
  type StunMessageEvent,
  type StunmeshError,
  type StunSocketOptions,
} from '../api/index.js';
import { createInbox } from './inbox.js';

/** A module, and a far side that the harness plays on a network of its own. */
export interface CaptureHarness {
  readonly module: CaptureModule;
  readonly family: Family;
  /** A UDP port here that another socket of the harness owns, as WireGuard would. */
  readonly localPort: number;
  /** Our address and interface towards the far side. */
  readonly localAddress: string;
  readonly interface: string;
  /** A UDP socket of the far side. Its host answers pings. */
  readonly far: Endpoint;
  /** The next datagram that arrived there, in order. */
  received(): Promise<{ readonly message: Uint8Array; readonly from: Endpoint }>;
  /** The far side sends a datagram from `far` to this port of ours; resolves once it is here (where `localPort` is its port). */
  sendFromFar(message: Uint8Array, toPort: number): Promise<void>;
  /** An address without a route. */
  readonly unreachable: string;
  /** Changes something that watchers of the network hear of. */
  changeNetwork(): Promise<void>;
  /** A device that echo sockets can be bound to and that can vanish: its name, and how to make it vanish; absent: cannot be had. */
  vanishingDevice?(): Promise<{ readonly name: string; vanish(): Promise<void> }>;
  /** How long something that must happen may take, in milliseconds. Default 5000. */
  readonly patienceMs?: number;
}

/** The cases of one subject by their names; each opens and closes its own sockets. */
export type CaptureCases = Record<string, () => Promise<undefined | { skipped: string }>>;

export const COOKIE = [0x21, 0x12, 0xa4, 0x42];
const never = new AbortController().signal;

/** A STUN header with this type; `tag` tells messages apart. */
export function stunMessage(type: number, tag: number): Uint8Array {
  return Uint8Array.of(type >> 8, type & 0xff, 0, 0, ...COOKIE, ...new Array<number>(12).fill(tag));
}

/** A check's request: 72 bytes, with this tag in its USERNAME; `fill` tells requests apart. */
export function checkRequest(tag: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(72).fill(fill);
  bytes.set([0x00, 0x01, 0x00, 0x34, ...COOKIE]);
  bytes.set([0x00, 0x06, 0x00, 0x08], 20);
  new DataView(bytes.buffer).setUint32(24, tag);
  return bytes;
}

export async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(
    promise,
    (error) => hasCode(error, code) || assert.fail(`${code} expected, not ${String(error)}`),
  );
}

/** How long something that must happen may take. */
export const patienceOf = ({ patienceMs = 5000 }: CaptureHarness): number => patienceMs;

export async function openStun(harness: CaptureHarness, more: Partial<StunSocketOptions> = {}) {
  const inbox = createInbox<StunMessageEvent>(patienceOf(harness));
  const faults: StunmeshError[] = [];
  const socket = await harness.module.openStunSocket({
    family: harness.family,
    localPort: harness.localPort,
    excludeDevice: 'no-such-device',
    firewallMark: 0,
    signal: never,
    onMessage: (event) => inbox.push(event),
    onFault: (error) => faults.push(error),
    ...more,
  });
  return { socket, inbox, faults, [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose]() };
}
