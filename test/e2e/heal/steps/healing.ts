/** Steps of the healing tests and of their bench: a settled pair, what is seen from outside while it heals, and how long that takes. */
import assert from 'node:assert/strict';
import {
  type ControlEvent,
  type Daemon,
  type DaemonOptions,
  type Host,
  type Lab,
  sleep,
  until,
} from '../../lab/index.js';
import { expectTunnel, startAll } from '../../lab/steps/pair.js';

/** Size of a handshake initiation: what arrives from a peer that hears nothing of us. */
const INITIATION_BYTES = 148;

export interface SettledPair {
  readonly a: Host;
  readonly b: Host;
  readonly daemonA: Daemon;
  readonly daemonB: Daemon;
}

/** Both daemons run, the tunnel works, and what the start left behind (kicks, handshakes, readings) has passed. */
export async function settledPair(lab: Lab, options: DaemonOptions = {}, family: 4 | 6 = 4): Promise<SettledPair> {
  const [a, b] = [lab.host('a'), lab.host('b')];
  const [daemonA, daemonB] = await startAll([a, b], options);
  assert.ok(daemonA && daemonB);
  await expectTunnel(a, b, undefined, family);
  await sleep(1500);
  return { a, b, daemonA, daemonB };
}

/** The `ping` members that make daemons watch these hosts' tunnel addresses. */
export function pinging(hosts: readonly Host[], interval: string, timeout = interval): DaemonOptions {
  return {
    peerOverrides: Object.fromEntries(
      hosts.map((host) => [host.name, { ping: { enabled: true, target: host.tunnelAddress, interval, timeout } }]),
    ),
  };
}

/** What a host's WireGuard counted of another host. */
async function countsOf(host: Host, peer: Host): Promise<{ readonly rx: number; readonly handshakeAt: number }> {
  const found = (await host.deviceState()).peers.find(({ publicKey }) => publicKey === peer.keys.publicKey);
  return { rx: found?.rxBytes ?? 0, handshakeAt: found?.latestHandshakeAt ?? 0 };
}

/**
 * Milliseconds from `startedAt` (performance.now(); default: now) until both ends hear each other again, told by WireGuard's own
 * counters, so that looking sends nothing; a ping has the last word. Infinity: not within `limitMs`.
 */
export async function heardAgain(a: Host, b: Host, limitMs: number, startedAt = performance.now()): Promise<number> {
  for (;;) {
    const before = await Promise.all([countsOf(a, b), countsOf(b, a)]);
    const heard = async (): Promise<boolean> => {
      const now = await Promise.all([countsOf(a, b), countsOf(b, a)]);
      return now.every(({ rx, handshakeAt }, i) => {
        const gained = rx - (before[i]?.rx ?? 0);
        return handshakeAt !== before[i]?.handshakeAt || (gained > 0 && gained % INITIATION_BYTES !== 0);
      });
    };
    const left = startedAt + limitMs - performance.now();
    try {
      await until(heard, { deadlineMs: Math.max(left, 0), what: 'both ends to hear each other' });
    } catch {
      return Number.POSITIVE_INFINITY;
    }
    const tookMs = performance.now() - startedAt;
    const { received } = await a.pingBurst(b, 1, 0.2);
    if (received === 1) return Math.round(tookMs);
  }
}

/** Milliseconds from `startedAt` until a ping from `a` is answered; Infinity: not within `limitMs`. */
export async function pingsAgain(a: Host, b: Host, limitMs: number, startedAt = performance.now()): Promise<number> {
  return (await a.firstPing(b, { startedAt, deadlineMs: limitMs })) ?? Number.POSITIVE_INFINITY;
}

export interface EventLog extends Disposable {
  readonly events: readonly ControlEvent[];
  /** Events of this name, and of this peer where one is named. */
  of(event: string, peer?: string): readonly ControlEvent[];
}

/** Keeps all events of a daemon until disposed. */
export async function keepEvents(daemon: Daemon): Promise<EventLog> {
  const events: ControlEvent[] = [];
  const stream = await daemon.events((event) => events.push(event));
  return {
    events,
    of: (name, peer) => events.filter(({ event, peer: of }) => event === name && (peer === undefined || of === peer)),
    [Symbol.dispose]: () => stream[Symbol.dispose](),
  };
}

/** Milliseconds from `startedAt` (by Date.now()) until a peer of this daemon enters one of these phases; Infinity: not in time. */
export async function phaseWithin(
  log: EventLog,
  peer: string,
  phases: readonly string[],
  limitMs: number,
  startedAt = Date.now(),
): Promise<number> {
  const find = () =>
    log.of('phase', peer).find((event) => event.at >= startedAt && phases.includes(String(event['to'])));
  try {
    const event = await until(find, { deadlineMs: limitMs, what: `${peer} to be ${phases.join(' or ')}` });
    return event.at - startedAt;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** What must not move while a tunnel is left alone. */
export interface Untouched {
  readonly endpointWrites: number;
  readonly renewals: number;
  readonly endpoint: string | undefined;
}

export async function untouched(daemon: Daemon, peer: string): Promise<Untouched> {
  const { endpointWrites, renewals, endpoint } = await daemon.peer(peer);
  return { endpointWrites, renewals, endpoint };
}

/** Calls to all stores of a daemon so far. */
export async function storeCalls(daemon: Daemon): Promise<number> {
  return (await daemon.status()).stores.reduce((sum, { gets, sets }) => sum + gets + sets, 0);
}

/** Fails with both numbers where it took longer. */
export function within(tookMs: number, limitMs: number, what: string): void {
  assert.ok(tookMs <= limitMs, `${what} took ${tookMs} ms, at most ${limitMs} ms`);
}
