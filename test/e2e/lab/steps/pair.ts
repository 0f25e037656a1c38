/** Steps that many tests share: both daemons start, the tunnel comes up, both ends say so. */
import assert from 'node:assert/strict';
import type { Daemon, DaemonOptions, Host } from '../index.js';

/** Generous: what a loaded machine may take. The claims about time are the bench's. */
export const CONNECT_LIMIT_MS = 30_000;

/** Starts a daemon on each host at the same time. */
export function startAll(hosts: readonly Host[], options: DaemonOptions = {}): Promise<Daemon[]> {
  return Promise.all(hosts.map((host) => host.startDaemon(options)));
}

/** Both hosts' daemons, started here, see each other connected, and pings pass both ways. */
export async function expectTunnel(a: Host, b: Host, limitMs = CONNECT_LIMIT_MS, family: 4 | 6 = 4): Promise<void> {
  const pings = await Promise.all([
    a.firstPing(b, { deadlineMs: limitMs, family }),
    b.firstPing(a, { deadlineMs: limitMs, family }),
  ]);
  assert.ok(
    pings.every((ping) => ping !== undefined),
    `pings ${a.name} to ${b.name} and back within ${limitMs} ms: ${pings.join(', ')}; ${await whereTheyAre([a, b])}`,
  );
  await Promise.all([
    latest(a)?.waitForPhase(b.name, ['connected'], { deadlineMs: CONNECT_LIMIT_MS }),
    latest(b)?.waitForPhase(a.name, ['connected'], { deadlineMs: CONNECT_LIMIT_MS }),
  ]);
}

function latest(host: Host): Daemon | undefined {
  return host.daemons.findLast((daemon) => daemon.process.running);
}

async function whereTheyAre(hosts: readonly Host[]): Promise<string> {
  const lines = await Promise.all(
    hosts.map(
      (host) =>
        latest(host)
          ?.status()
          .then(JSON.stringify, (error: unknown) => String(error)) ?? 'no daemon',
    ),
  );
  return lines.join('\n');
}
