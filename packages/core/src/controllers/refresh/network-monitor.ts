/** Tells when the way to the STUN servers changed, and stays silent about all other networks of this host (F27). */
import { type Family, isStunmeshError, type NetworkEvent, type Route } from '../../api/index.js';
import type { DeviceComponents } from '../device-components.js';

/** Changes come in bursts: what they add up to is looked at when it has been quiet for so long, */
const QUIET_MS = 1_000;
/** and at the latest this long after the first. */
const AT_LATEST_MS = 3_000;
/** A wall clock that departs from the monotonic one by more than this was set, or the machine slept. */
const JUMP_MS = 5_000;

export interface NetworkMonitorEvents {
  /** Packets leave from another address or interface than before; awaited before anything else is made of it. */
  moved(): Promise<void>;
  /** The way out of this device's packets may be another one now. */
  changed(why: string): void;
  /** Some link changed: a WireGuard device may have come or gone. */
  link(): void;
}

export interface NetworkMonitor extends AsyncDisposable {
  /** Looks whether the wall clock jumped; call it at every beat. */
  checkClock(): void;
  /** Takes the present way as the one that the device's mapping was found by. */
  settled(): Promise<void>;
}

export interface NetworkMonitorComponents
  extends Pick<DeviceComponents, 'clock' | 'logger' | 'underlay' | 'serverAddress' | 'signal'> {
  readonly on: NetworkMonitorEvents;
}

/** Interfaces and source addresses by which packets leave towards the STUN servers. */
type SourceRoutes = readonly Route[];

/** Starts watching. A capture module that cannot tell of changes costs a warning: the beats find out, later. */
export async function openNetworkMonitor(components: NetworkMonitorComponents): Promise<NetworkMonitor> {
  const { clock, logger, signal, on } = components;
  let before: SourceRoutes | undefined;
  /** The last way that there was: a link that comes back with its address is no move. */
  let source: string | undefined;
  let firstAt: number | undefined;
  let touched = new Set<string>();
  let quiet: Disposable & { readonly signal: AbortSignal } = clock.deadline(0, signal);
  let skew = clock.wallNow() - clock.now();

  /** The present way takes the place of the known one. */
  const compare = async (): Promise<{ readonly now: SourceRoutes; readonly moved: boolean }> => {
    const now = await sourceRoutes(components);
    const moved = before !== undefined && describe(before) !== describe(now);
    before = now;
    const leavesFrom = describe(now);
    if (leavesFrom !== '' && leavesFrom !== source) {
      const first = source === undefined;
      source = leavesFrom;
      if (!first) await on.moved();
    }
    return { now, moved };
  };

  const ignore = (error: unknown): void => {
    if (!signal.aborted) logger.debug({ error }, 'could not look at the routes');
  };

  const look = async (): Promise<void> => {
    const links = touched;
    touched = new Set();
    firstAt = undefined;
    if (!before) return;
    const { now, moved } = await compare();
    if (moved) on.changed('the way out changed');
    // A link that went down and up again with the same address may hang on another network.
    else if (now.some((route) => links.has(route.interface))) on.changed('the link on the way out changed');
  };

  const onChange = (event: NetworkEvent): void => {
    if (event.kind === 'link') {
      on.link();
      if (event.interface !== undefined) touched.add(event.interface);
    }
    const now = clock.now();
    firstAt ??= now;
    quiet[Symbol.dispose]();
    quiet = clock.deadline(Math.max(0, Math.min(QUIET_MS, firstAt + AT_LATEST_MS - now)), signal);
    quiet.signal.addEventListener('abort', () => void (signal.aborted ? undefined : look().catch(ignore)), {
      once: true,
    });
  };

  const watching = await startWatching(components, onChange);
  return {
    async settled() {
      await compare();
    },
    checkClock() {
      const now = clock.wallNow() - clock.now();
      const jumped = Math.abs(now - skew) > JUMP_MS;
      skew = now;
      if (jumped) on.changed('the clock jumped (suspended?)');
    },
    async [Symbol.asyncDispose]() {
      quiet[Symbol.dispose]();
      await watching[Symbol.asyncDispose]();
    },
  };
}

/** By family, towards the server that answered last; empty where there is no way. */
async function sourceRoutes({ underlay, serverAddress }: NetworkMonitorComponents): Promise<SourceRoutes> {
  const routes: Route[] = [];
  for (const family of [4, 6] as const satisfies readonly Family[]) {
    const to = serverAddress(family);
    const route = to === undefined ? undefined : await underlay.routeTo(to);
    if (route) routes.push(route);
  }
  return routes;
}

function describe(routes: SourceRoutes): string {
  return routes.map((route) => `${route.interface} ${route.source}`).join(', ');
}

async function startWatching(
  { underlay, logger }: NetworkMonitorComponents,
  onChange: (event: NetworkEvent) => void,
): Promise<AsyncDisposable> {
  const none = { [Symbol.asyncDispose]: async () => undefined };
  try {
    return await underlay.watchNetwork({
      onChange,
      onFault: (error) => logger.warn({ error }, 'network events are lost; changes are found at the next beat'),
    });
  } catch (error) {
    logger.warn(
      { error: isStunmeshError(error) ? error : String(error) },
      'no network events; changes are found at the next beat',
    );
    return none;
  }
}
