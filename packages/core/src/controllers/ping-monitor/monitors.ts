/** Pings through the tunnels of peers that ask for it, each with a timer of its own (F28, F29). */
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { isStunmeshError, StunmeshError } from '../../api/index.js';
import type { PeerConfig } from '../../config/index.js';
import { createFault, type DeviceEntry, type PeerEntry } from '../../peers/peer-table.js';
import type { Controllers } from '../device-components.js';
import type { Echoes } from './echoes.js';

/** A name that does not resolve is tried again this much later. */
const RESOLVE_AGAIN_MS = 30_000;

export interface PingMonitorEvents {
  /** A reply came. */
  answered(device: DeviceEntry, peer: PeerEntry, rttMs: number): void;
  /** No reply to one ping within its timeout, or it could not be sent (F28). One loss is no outage: whoever listens confirms first. */
  overdue(device: DeviceEntry, peer: PeerEntry): void;
}

export interface PingMonitors {
  /** Starts, ends or replaces monitors as the device's present configuration asks. */
  follow(device: DeviceEntry): void;
  /** Resolves when all have ended; the daemon's signal has to have aborted. */
  stop(): Promise<void>;
}

export function createPingMonitors(c: Controllers, echoes: Echoes, on: PingMonitorEvents): PingMonitors {
  const running = new Map<PeerEntry, { readonly config: PeerConfig; readonly stop: AbortController }>();
  const ended = new Set<Promise<void>>();
  c.signal.addEventListener(
    'abort',
    () => {
      for (const { stop } of running.values()) stop.abort(c.signal.reason);
    },
    { once: true },
  );
  return {
    follow(device) {
      for (const [peer, { config, stop }] of running) {
        if (device.peers.includes(peer) && isDeepStrictEqual(peer.config.ping, config.ping)) continue;
        stop.abort();
        peer.pingFault = undefined;
        running.delete(peer);
      }
      for (const peer of device.peers) {
        if (!peer.config.ping.enabled || running.has(peer)) continue;
        const stop = new AbortController();
        running.set(peer, { config: peer.config, stop });
        const end = monitorPeer(c, echoes, on, device, peer, stop.signal).finally(() => ended.delete(end));
        ended.add(end);
      }
    },
    async stop() {
      await Promise.all(ended);
    },
  };
}

/** Pings one peer at its interval until the signal aborts. Never rejects. */
async function monitorPeer(
  c: Controllers,
  echoes: Echoes,
  on: PingMonitorEvents,
  device: DeviceEntry,
  peer: PeerEntry,
  signal: AbortSignal,
): Promise<void> {
  const { target, intervalMs, timeoutMs } = peer.config.ping;
  if (target === undefined) return;
  let address: string | undefined;
  while (!signal.aborted) {
    try {
      // The tunnel has to exist; whether it works is what the ping is to find out.
      if (device.facts && peer.wg?.endpoint) {
        address ??= await resolveTarget(c, target, signal);
        peer.pingFault = undefined;
        void pingOnce(c, echoes, on, device, peer, address, timeoutMs, signal).then((alive) => {
          // The name may lead elsewhere by now.
          if (!alive && isIP(target) === 0) address = undefined;
        });
      }
      await c.clock.sleep(intervalMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      const fault = isStunmeshError(error) ? error : new StunmeshError('ERR_INTERNAL', String(error), { cause: error });
      if (peer.pingFault?.code !== fault.code)
        c.logger.warn({ device: device.name, peer: peer.name, error: fault }, 'cannot ping');
      peer.pingFault = createFault(fault, c.clock.wallNow());
      await c.clock.sleep(RESOLVE_AGAIN_MS, signal).catch(() => undefined);
    }
  }
}

async function resolveTarget(c: Controllers, target: string, signal: AbortSignal): Promise<string> {
  if (isIP(target) !== 0) return target;
  for (const family of [4, 6] as const) {
    const [address] = await c.resolve(target, family, signal).catch(() => []);
    if (address !== undefined) return address;
  }
  throw new StunmeshError(
    'ERR_RESOLVE',
    `the ping target "${target}" does not resolve; write an address, or see to the name`,
  );
}

async function pingOnce(
  c: Controllers,
  echoes: Echoes,
  on: PingMonitorEvents,
  device: DeviceEntry,
  peer: PeerEntry,
  to: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  let alive = false;
  const answered = new AbortController();
  try {
    await echoes.send({
      device: device.facts?.realName ?? device.name,
      to,
      onReply(rttMs) {
        alive = true;
        answered.abort();
        on.answered(device, peer, rttMs);
      },
    });
    if (!alive) await waitFor(c, timeoutMs, answered.signal, signal);
  } catch {
    // Not sent: as good as lost.
  }
  if (!alive && !signal.aborted) on.overdue(device, peer);
  return alive;
}

/** Until the time is up, the answer is there, or everything ends; each wait leaves no listener behind. */
async function waitFor(c: Controllers, ms: number, answered: AbortSignal, signal: AbortSignal): Promise<void> {
  using deadline = c.clock.deadline(ms, signal);
  if (deadline.signal.aborted || answered.aborted) return;
  await new Promise<void>((resolve) => {
    deadline.signal.addEventListener('abort', () => resolve(), { once: true });
    answered.addEventListener('abort', () => resolve(), { once: true });
  });
}
