/** Where the daemon hands in what metrics are made of: costs nothing, and loads nothing, while nobody asked for metrics. */
import { type Clock, type Endpoint, type Family, isStunmeshError, type Logger } from '../api/index.js';
import { formatEndpoint, sameEndpoint } from '../net/index.js';
import type { DaemonMetrics } from './daemon-metrics.js';
import type { HttpPages } from './http-pages.js';
import type { Readings } from './readings.js';

/** A port that another program has is tried again this often; the tunnels do not wait for it. */
const RETRY_MS = 30_000;

export interface MetricsHub extends AsyncDisposable, Pick<DaemonMetrics, 'event' | 'storeCall'> {
  /** Serves metrics there from now on, nowhere else; undefined: not at all. Never rejects: an address that cannot be had is an
   * error in the log, and is tried again. Calls must not overlap. */
  follow(listen: Endpoint | undefined): Promise<void>;
  /** Hands a discovery's result through, and notes how it ended. */
  discovery<T extends { readonly server: string; readonly rttMs: number }>(
    device: string,
    family: Family,
    result: Promise<T>,
  ): Promise<T>;
}

export interface MetricsHubOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startedAtMs: number;
  /** The daemon at this moment. */
  readings(): Readings;
}

export function createMetricsHub({ clock, logger, startedAtMs, readings }: MetricsHubOptions): MetricsHub {
  let wanted: Endpoint | undefined;
  let metrics: DaemonMetrics | undefined;
  let server: HttpPages | undefined;
  let serving = new AbortController();

  /** False: it could not be had. */
  const serve = async (listen: Endpoint, again: boolean, signal: AbortSignal): Promise<boolean> => {
    try {
      const [{ openHttpPages }, { healthPage }, { createDaemonMetrics }] = await Promise.all([
        import('./http-pages.js'),
        import('./health.js'),
        import('./daemon-metrics.js'),
      ]);
      if (signal.aborted) return true;
      metrics ??= createDaemonMetrics(readings, startedAtMs);
      const { page } = metrics;
      const opened = await openHttpPages(listen, { '/metrics': page, '/healthz': () => healthPage(readings()) });
      if (signal.aborted) {
        await opened[Symbol.asyncDispose]();
        return true;
      }
      server = opened;
      logger.info({ address: formatEndpoint(opened.address) }, 'metrics are served');
      return true;
    } catch (error) {
      if (!again) logger.error({ error }, 'no metrics for now, all else goes on');
      return false;
    }
  };

  const keepTrying = async (listen: Endpoint, signal: AbortSignal): Promise<void> => {
    try {
      do await clock.sleep(RETRY_MS, signal);
      while (!(await serve(listen, true, signal)));
    } catch {
      // Metrics are wanted elsewhere now, or not at all.
    }
  };

  const stop = async (): Promise<void> => {
    serving.abort();
    serving = new AbortController();
    const before = server;
    server = undefined;
    await before?.[Symbol.asyncDispose]();
  };

  return {
    async follow(listen) {
      if (sameEndpoint(wanted, listen)) return;
      wanted = listen;
      await stop();
      if (!listen) {
        metrics = undefined;
        return;
      }
      const { signal } = serving;
      if (!(await serve(listen, false, signal))) void keepTrying(listen, signal);
    },
    event: (event) => metrics?.event(event),
    storeCall: (store, call) => metrics?.storeCall(store, call),
    async discovery(device, family, result) {
      try {
        const found = await result;
        metrics?.discovery(device, family, found);
        return found;
      } catch (error) {
        // One that ended with the daemon tells nothing.
        const code = isStunmeshError(error) ? error.code : 'ERR_INTERNAL';
        if (code !== 'ERR_CLOSED') metrics?.discovery(device, family, { code });
        throw error;
      }
    },
    [Symbol.asyncDispose]: stop,
  };
}
