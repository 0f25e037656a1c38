/** The one router that is asked: how it is reached, and how often it may be. */
import type { Socket } from 'node:net';
import type { Clock, DatagramSocket, Family, StunmeshError } from '../api/index.js';

export interface Gateway {
  readonly family: Family;
  /** Canonical, without zone. */
  readonly address: string;
  /** Our address towards it, which it maps to (F58). */
  readonly source: string;
  readonly clock: Clock;
  readonly budget: PacketBudget;
  random(bytes: number): Uint8Array;
  /** A UDP socket of this device's way that is connected to the router: what others send does not arrive (F55). Errors: those of CaptureModule.openDatagramSocket. */
  openDatagramSocket(
    port: number,
    on: { onMessage(message: Uint8Array): void; onFault(error: StunmeshError): void },
  ): Promise<DatagramSocket>;
  /** Errors: those of CaptureModule.connectTcp. */
  connectTcp(port: number, signal: AbortSignal): Promise<Socket>;
  /** Something was passed over that a stranger may have sent, or that a router should not say. */
  note(what: string): void;
}

export interface PacketBudget {
  /** False: no packet may be sent now. */
  take(): boolean;
}

const WINDOW_MS = 60_000;

/** In no minute more packets than these; a connection by TCP counts as one. One budget for each number, and what is taken of one is
 * taken of all: what must not fail has the largest. */
export function createPacketBudgets(clock: Pick<Clock, 'now'>, ...perMinute: readonly number[]): PacketBudget[] {
  let sent: number[] = [];
  return perMinute.map((most) => ({
    take() {
      sent = sent.filter((at) => clock.now() - at < WINDOW_MS);
      if (sent.length >= most) return false;
      sent.push(clock.now());
      return true;
    },
  }));
}
