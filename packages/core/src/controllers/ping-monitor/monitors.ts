/** Pings through the tunnels of peers that ask for it, each with a timer of its own (F28, F29). */
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { type Clock, hasCode, StunmeshError } from '../../api/index.js';
import type { PeerConfig } from '../../config/index.js';
import { countEcho } from '../../peers/echo-count.js';
import { asStunmeshError, createFault } from '../../peers/faults.js';
import type { PeerEntry } from '../../peers/peer-table.js';
import type { DeviceComponents } from '../device-components.js';
import type { Echoes } from './echoes.js';

/** A name that does not resolve is tried again this much later. */
const RESOLVE_AGAIN_MS = 30_000;
/** A reply that takes so many times as long as usual, and so long at least, is late. */
const LATE_TIMES = 4;
const LEAST_LATE_MS = 200;

export interface PingMonitorEvents {
  /** A reply came. */
  answered(peer: PeerEntry, rttMs: number): void;
  /** The reply to one ping takes far longer than usual; it may still come. */
  late(peer: PeerEntry): void;
  /** No reply to one ping within its timeout, or it could not be sent (F28). One loss is no outage: whoever listens confirms first. */
  overdue(peer: PeerEntry): void;
}

export interface PingMonitors {
  /** Starts, ends or replaces monitors as the device's present configuration asks. */
  follow(): void;
  /** Resolves when all have ended; the daemon's signal has to have aborted. */
  stop(): Promise<void>;
}

export interface PingMonitorsComponents
  extends Pick<DeviceComponents, 'device' | 'clock' | 'logger' | 'resolve' | 'signal'> {
  readonly echoes: Pick<Echoes, 'send'>;
  readonly on: PingMonitorEvents;
}

export function createPingMonitors(components: PingMonitorsComponents): PingMonitors {
  const { device } = components;
  const running = new Map<PeerEntry, { readonly config: PeerConfig; readonly stop: AbortController }>();
  const ended = new Set<Promise<void>>();
  components.signal.addEventListener(
    'abort',
    () => {
      for (const { stop } of running.values()) stop.abort(components.signal.reason);
    },
    { once: true },
  );
  return {
    follow() {
      const present = new Set(device.peers);
      for (const [peer, { config, stop }] of running) {
        if (present.has(peer) && isDeepStrictEqual(peer.config.ping, config.ping)) continue;
        stop.abort();
        peer.pingFault = undefined;
        running.delete(peer);
      }
      for (const peer of device.peers) {
        if (!peer.config.ping.enabled || running.has(peer)) continue;
        const stop = new AbortController();
        running.set(peer, { config: peer.config, stop });
        const end = monitorPeer(components, peer, stop.signal).finally(() => ended.delete(end));
        ended.add(end);
      }
    },
    async stop() {
      await Promise.all(ended);
    },
  };
}

/** Pings one peer at its interval until the signal aborts. Never rejects. */
async function monitorPeer(components: PingMonitorsComponents, peer: PeerEntry, signal: AbortSignal): Promise<void> {
  const { device, clock } = components;
  const { target, intervalMs } = peer.config.ping;
  if (target === undefined) return;
  let address: string | undefined;
  while (!signal.aborted) {
    try {
      // The tunnel has to exist; whether it works is what the ping is to find out.
      if (device.facts && peer.observed?.endpoint) {
        address ??= await resolveTarget(components, target, signal);
        void pingOnce(components, peer, address, signal).then((alive) => {
          // The name may lead elsewhere by now.
          if (!alive && isIP(target) === 0) address = undefined;
        });
      }
      await clock.sleep(intervalMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      noteFault(components, peer, error);
      await clock.sleep(RESOLVE_AGAIN_MS, signal).catch(() => undefined);
    }
  }
}

async function resolveTarget(
  { resolve }: PingMonitorsComponents,
  target: string,
  signal: AbortSignal,
): Promise<string> {
  if (isIP(target) !== 0) return target;
  for (const family of [4, 6] as const) {
    const [address] = await resolve(target, family, signal).catch(() => []);
    if (address !== undefined) return address;
  }
  throw new StunmeshError(
    'ERR_RESOLVE',
    `the ping target "${target}" does not resolve; write an address, or see to the name`,
  );
}

/** Told once, until it is another one. */
function noteFault({ device, clock, logger }: PingMonitorsComponents, peer: PeerEntry, error: unknown): void {
  const fault = asStunmeshError(error);
  if (peer.pingFault?.code !== fault.code)
    logger.warn({ device: device.name, peer: peer.name, error: fault }, 'cannot ping');
  peer.pingFault = createFault(fault, clock.wallNow());
}

/** WireGuard's control socket is a file, which other network namespaces see as well; packets go by the device itself. */
function explain(error: unknown): unknown {
  if (!hasCode(error, 'ERR_CAPTURE_OPEN')) return error;
  const text = `no ping can be sent: ${(error as Error).message}; where WireGuard has it in another network namespace, run stunmesh in that one`;
  return new StunmeshError('ERR_CAPTURE_OPEN', text, { cause: error });
}

async function pingOnce(
  components: PingMonitorsComponents,
  peer: PeerEntry,
  to: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { device, clock, echoes, on } = components;
  let alive = false;
  const answered = new AbortController();
  try {
    countEcho(peer, clock.now());
    await echoes.send({
      device: device.facts?.realName ?? device.name,
      to,
      onReply(rttMs) {
        alive = true;
        answered.abort();
        on.answered(peer, rttMs);
      },
    });
    peer.pingFault = undefined;
    const { timeoutMs } = peer.config.ping;
    const lateMs = Math.min(timeoutMs, lateAfter(peer) ?? timeoutMs);
    if (!alive) await waitFor(clock, lateMs, answered.signal, signal);
    if (!alive && lateMs < timeoutMs && !signal.aborted) {
      on.late(peer);
      await waitFor(clock, timeoutMs - lateMs, answered.signal, signal);
    }
  } catch (error) {
    // Not sent: as good as lost, but that is no fault of the path.
    if (!signal.aborted) noteFault(components, peer, explain(error));
  }
  if (!alive && !signal.aborted) on.overdue(peer);
  return alive;
}

/** undefined: nothing is known of its usual time. */
function lateAfter({ rttMs }: PeerEntry): number | undefined {
  return rttMs === undefined ? undefined : Math.max(LEAST_LATE_MS, LATE_TIMES * rttMs);
}

/** Until the time is up, the answer is there, or everything ends; each wait leaves no listener behind. */
async function waitFor(clock: Clock, ms: number, answered: AbortSignal, signal: AbortSignal): Promise<void> {
  using deadline = clock.deadline(ms, signal);
  if (deadline.signal.aborted || answered.aborted) return;
  await new Promise<void>((resolve) => {
    deadline.signal.addEventListener('abort', () => resolve(), { once: true });
    answered.addEventListener('abort', () => resolve(), { once: true });
  });
}
