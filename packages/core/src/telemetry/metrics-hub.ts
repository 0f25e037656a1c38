/** Where the daemon hands in what metrics are made of: costs nothing, and loads nothing, while nobody asked for metrics. */
import { type Clock, type Family, isStunmeshError, type Logger } from '../api/index.js';
import type { MetricsConfig } from '../config/index.js';
import { formatEndpoint, sameEndpoint } from '../net/index.js';
import type { DaemonMetrics } from './daemon-metrics.js';
import type { HttpPages, PagesByPath } from './http-pages.js';
import type { EventReading, Readings } from './readings.js';

/** A port that another program has is tried again this often; the tunnels do not wait for it. */
const RETRY_MS = 30_000;

export interface MetricsHub extends AsyncDisposable, Pick<DaemonMetrics, 'event' | 'storeCall'> {
  /** Serves metrics there from now on, nowhere else; undefined: not at all. Never rejects: an address that cannot be had is an
   * error in the log, and is tried again. Calls must not overlap. */
  follow(config: MetricsConfig | undefined): Promise<void>;
  /** Hands a discovery's result through, and notes how it ended. */
  discovery<T extends { readonly server: string; readonly rttMs: number }>(
    device: string,
    family: Family,
    result: Promise<T>,
  ): Promise<T>;
}

/** The page for people, and what it is made of. */
export interface StatusPage extends Disposable {
  readonly pages: PagesByPath;
  event(event: EventReading): void;
}

export interface MetricsHubOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly startedAtMs: number;
  /** The daemon at this moment. */
  readings(): Readings;
  /** Called when the page is asked for; what it holds it gives back when it is not any more. */
  openPage(): Promise<StatusPage>;
}

export function createMetricsHub(options: MetricsHubOptions): MetricsHub {
  const { clock, logger, startedAtMs, readings } = options;
  let wanted: MetricsConfig | undefined;
  let metrics: DaemonMetrics | undefined;
  let page: StatusPage | undefined;
  let server: HttpPages | undefined;
  let serving = new AbortController();

  const takePage = async (): Promise<void> => {
    const isWanted = () => wanted?.page === true;
    if (!isWanted()) {
      page?.[Symbol.dispose]();
      page = undefined;
      return;
    }
    if (page) return;
    const opened = await options.openPage();
    // It may have been given up meanwhile, or opened by a try that was under way.
    if (isWanted() && !page) page = opened;
    else opened[Symbol.dispose]();
  };

  /** False: it could not be had. */
  const serve = async ({ listen }: MetricsConfig, again: boolean, signal: AbortSignal): Promise<boolean> => {
    try {
      const [{ openHttpPages }, { healthPage }, { createDaemonMetrics }] = await Promise.all([
        import('./http-pages.js'),
        import('./health.js'),
        import('./daemon-metrics.js'),
        takePage(),
      ]);
      if (signal.aborted) return true;
      metrics ??= createDaemonMetrics(readings, startedAtMs);
      const pages = { '/metrics': metrics.page, '/healthz': () => healthPage(readings()), ...page?.pages };
      const opened = await openHttpPages(listen, pages);
      if (signal.aborted) {
        await opened[Symbol.asyncDispose]();
        return true;
      }
      server = opened;
      logger.info({ address: formatEndpoint(opened.address), ...(page ? { page: true } : {}) }, 'metrics are served');
      return true;
    } catch (error) {
      if (!again) logger.error({ error }, 'no metrics for now, all else goes on');
      return false;
    }
  };

  const keepTrying = async (config: MetricsConfig, signal: AbortSignal): Promise<void> => {
    try {
      do await clock.sleep(RETRY_MS, signal);
      while (!(await serve(config, true, signal)));
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
    async follow(config) {
      if (sameEndpoint(wanted?.listen, config?.listen) && wanted?.page === config?.page) return;
      wanted = config;
      await stop();
      if (!config) {
        metrics = undefined;
        await takePage();
        return;
      }
      const { signal } = serving;
      if (!(await serve(config, false, signal))) void keepTrying(config, signal);
    },
    event(event) {
      metrics?.event(event);
      page?.event(event);
    },
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
    async [Symbol.asyncDispose]() {
      wanted = undefined;
      await stop();
      await takePage();
    },
  };
}
