/** Two daemons start, and find the best of several paths: how long that takes, and by which path. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type DaemonOptions, type Host, type Lab, type LabSpec, REPOSITORY, sleep, until } from '../../lab/index.js';
import { keyOf } from '../../lab/steps/records.js';

export interface Meeting {
  readonly name: string;
  readonly spec: LabSpec;
  /** Milliseconds of the project's promise, on a machine that has nothing else to do. */
  readonly targetMs: number;
  /** What is counted from: the start of both daemons, or the moment that a store has the records of both. */
  readonly from: 'start' | 'records';
  readonly options?: DaemonOptions | ((lab: Lab) => DaemonOptions);
  /** The second daemon starts so much later. */
  readonly apartMs?: number;
  /** Before the daemons start. */
  prepare?(lab: Lab): Promise<unknown>;
  /** The endpoint that each side's WireGuard is to have for the other; default: any. */
  endpointOf?(host: Host, lab: Lab): string;
}

export const STUN_BOTH: readonly string[] = [
  '203.0.113.1:3478',
  '203.0.113.2:3478',
  '[2001:db8:ffff::1]:3478',
  '[2001:db8:ffff::2]:3478',
];

export const dualStack = (peerProtocol: 'prefer_ipv4' | 'prefer_ipv6'): DaemonOptions => ({
  protocol: 'dualstack',
  peerProtocol,
  stun: STUN_BOTH,
});

/** Polls: watches no folder, and is asked by a process each time. */
export function shellStore(lab: Lab): DaemonOptions {
  const command = join(REPOSITORY, 'test/fixtures/e2e/shell-store.sh');
  return { plugins: { folder: { type: 'shell', command, args: [lab.storeDir] } } };
}

export const pair = (lab: Lab): readonly [Host, Host] => [lab.host('a'), lab.host('b')];

/** When the store has the records of both; by performance.now(). */
export async function bothRecords(lab: Lab): Promise<number> {
  const [a, b] = pair(lab);
  const files = [
    [a, b],
    [b, a],
  ].map(([from, to]) => join(lab.storeDir, keyOf(from?.keys.publicKey ?? '', to?.keys.publicKey ?? '')));
  const there = (file: string) =>
    access(file).then(
      () => true,
      () => false,
    );
  await until(async () => (await Promise.all(files.map(there))).every(Boolean), {
    what: 'the records of both',
    pollMs: 5,
  });
  return performance.now();
}

/** Milliseconds until pings of both sides were answered; Infinity: not in time. */
export async function meet(lab: Lab, meeting: Meeting, limitMs: number): Promise<number> {
  const [a, b] = pair(lab);
  await meeting.prepare?.(lab);
  const options = typeof meeting.options === 'function' ? meeting.options(lab) : meeting.options;
  const startedAt = performance.now();
  await a.startDaemon(options);
  if (meeting.apartMs) await sleep(meeting.apartMs);
  await b.startDaemon(options);
  const from = meeting.from === 'records' ? bothRecords(lab) : Promise.resolve(startedAt + (meeting.apartMs ?? 0));
  const deadlineMs = limitMs + (meeting.from === 'records' ? 3_000 : 0);
  const pings = await Promise.all(
    [
      [a, b],
      [b, a],
    ].map(async ([one, other]) => {
      const took = one && other && (await one.firstPing(other, { deadlineMs }));
      return took === undefined ? Number.POSITIVE_INFINITY : performance.now();
    }),
  );
  const tookMs = Math.max(...pings) - (await from);
  return tookMs <= limitMs ? Math.round(tookMs) : Number.POSITIVE_INFINITY;
}

/** Both sides' WireGuard has the endpoint that the meeting names; rejects with what they have. */
export async function expectPath(lab: Lab, meeting: Meeting, deadlineMs = 5_000): Promise<void> {
  const { endpointOf } = meeting;
  if (!endpointOf) return;
  const [a, b] = pair(lab);
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const wanted = endpointOf(other, lab);
    let seen: string | undefined;
    await until(
      async () => {
        seen = await endpointAt(one, other);
        return seen === wanted;
      },
      { deadlineMs, what: `${one.name} to reach ${other.name} at ${wanted}` },
    ).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}; it has ${seen}`);
    });
  }
}

/** The endpoint that a host's WireGuard has for another. */
export async function endpointAt(host: Host, peer: Host): Promise<string | undefined> {
  return (await host.deviceState()).peers.find(({ publicKey }) => publicKey === peer.keys.publicKey)?.endpoint;
}
