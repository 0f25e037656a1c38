/** Pings at a steady rate both ways through the tunnel, and which endpoint WireGuard had meanwhile. */
import { type Host, type LabProcess, sleep } from '../../lab/index.js';
import { endpointAt } from './meeting.js';

const LOOK_MS = 20;

export interface Traffic {
  /** Ends it; pings sent and answered since the start. */
  stop(): Promise<{ readonly sent: number; readonly received: number }>;
}

/** Every ping is a packet each way. */
export function startTraffic(from: Host, to: Host, perSecond: number): Traffic {
  const ping: LabProcess = from.spawn(['ping', '-n', '-q', '-i', String(1 / perSecond), to.tunnelAddress]);
  return {
    async stop() {
      // The last answers are on their way.
      await sleep(300);
      ping.signal('SIGINT');
      await ping.exited;
      const numbers = /(\d+) packets transmitted, (\d+) received/.exec(ping.stdout);
      if (!numbers) throw new Error(`ping: ${ping.stderr || ping.stdout}`);
      return { sent: Number(numbers[1]), received: Number(numbers[2]) };
    },
  };
}

/** Milliseconds until both hosts' WireGuard has the endpoint that leads to the other; Infinity: not within the limit. */
export async function bothAt(a: Host, b: Host, endpointOf: (host: Host) => string, limitMs: number): Promise<number> {
  const startedAt = performance.now();
  for (;;) {
    const [one, two] = await Promise.all([endpointAt(a, b), endpointAt(b, a)]);
    const tookMs = performance.now() - startedAt;
    if (one === endpointOf(b) && two === endpointOf(a)) return tookMs;
    if (tookMs > limitMs) return Number.POSITIVE_INFINITY;
    await sleep(LOOK_MS);
  }
}

export interface Switch {
  /** From the start of the watch until an end first had its new endpoint. */
  readonly firstMs: number;
  /** From then until both had it for good; Infinity: they did not have it at the end. */
  readonly sticksMs: number;
}

/** Watches the endpoints until they have been watched for so long after the first change. */
export async function watchSwitch(
  a: Host,
  b: Host,
  endpointOf: (host: Host) => string,
  { limitMs, afterMs }: { readonly limitMs: number; readonly afterMs: number },
): Promise<Switch> {
  const startedAt = performance.now();
  let firstAt: number | undefined;
  let elsewhereAt = startedAt;
  for (;;) {
    const [one, two] = await Promise.all([endpointAt(a, b), endpointAt(b, a)]);
    const now = performance.now();
    const [oneThere, twoThere] = [one === endpointOf(b), two === endpointOf(a)];
    if (oneThere || twoThere) firstAt ??= now;
    if (!oneThere || !twoThere) elsewhereAt = now;
    if (firstAt === undefined && now - startedAt > limitMs)
      return { firstMs: Number.POSITIVE_INFINITY, sticksMs: Number.POSITIVE_INFINITY };
    if (firstAt !== undefined && now - firstAt > afterMs) {
      const settled = oneThere && twoThere;
      return {
        firstMs: firstAt - startedAt,
        sticksMs: settled ? Math.max(0, elsewhereAt - firstAt) : Number.POSITIVE_INFINITY,
      };
    }
    await sleep(LOOK_MS);
  }
}
