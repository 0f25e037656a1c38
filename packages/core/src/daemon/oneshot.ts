/** The same daemon with an end: done once every peer is connected, or when the time is up. */
import type { Clock } from '../api/index.js';
import { formatEndpoint } from '../net/index.js';
import { peerFault } from '../peers/faults.js';
import type { Daemon } from './daemon.js';

export interface OneshotResult {
  readonly connected: boolean;
  /** A line per peer that says how far it got. */
  readonly lines: readonly string[];
}

/** Resolves when all peers are connected, after `timeoutMs`, or when the signal aborts. What routers map stays for its lease then: tunnels run on and need it. */
export async function waitUntilConnected(
  daemon: Daemon,
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<OneshotResult> {
  using deadline = clock.deadline(timeoutMs, signal);
  await new Promise<void>((resolve) => {
    const check = () => {
      if (everyPeer(daemon) || deadline.signal.aborted) {
        unsubscribe();
        resolve();
      }
    };
    const unsubscribe = daemon.subscribe(check);
    deadline.signal.addEventListener('abort', check, { once: true });
    check();
  });
  for (const { portMapping } of daemon.devices) portMapping.outlivesUs = true;
  const lines = daemon.devices.flatMap((device) =>
    device.peers.map((peer) => {
      const endpoint = peer.observed?.endpoint ? ` at ${formatEndpoint(peer.observed.endpoint)}` : '';
      const fault = peerFault(peer) ?? [...device.faults.values()][0];
      const why = peer.phase === 'connected' || !fault ? '' : `: ${fault.message} [${fault.code}]`;
      const published = peer.published.size > 0 ? '' : ', our record not published';
      const doing = {
        waiting: `no record of it yet${published}`,
        connecting: `no handshake${endpoint}`,
        suspect: `no answer${endpoint}`,
        idle: `idle${endpoint}`,
        connected: `connected${endpoint}`,
      };
      return `${device.name}/${peer.name}: ${doing[peer.phase]}${why}`;
    }),
  );
  return { connected: everyPeer(daemon), lines };
}

function everyPeer(daemon: Daemon): boolean {
  return daemon.devices.every((device) => device.peers.every((peer) => peer.phase === 'connected'));
}
