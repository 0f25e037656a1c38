/** Supervises a session plugin: starts it when it is needed, again when it has died, with growing pauses. */
import { type Clock, doubling, isStunmeshError, type Logger, raceAbort, StunmeshError } from '@stunmesh/core/api';
import type { Session } from './session.js';

/** How long a plugin may take to describe itself, in milliseconds. */
export const START_MS = 30_000;
/** A session that lived so long begins with short pauses again. */
const STEADY_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
const MOST_PAUSE_MS = 60_000;

export interface Supervisor {
  /** The running session, or a new one. Errors: the signal's reason, what the start failed by, ERR_STORE_UNAVAILABLE
   * (it died again and again; retryAfterMs says when it is started next), ERR_CLOSED. */
  session(signal: AbortSignal): Promise<Session>;
  /** The session, where one runs. */
  readonly running: Session | undefined;
  /** Ends the session. Never rejects. */
  close(): Promise<void>;
}

export interface SupervisorOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  open(signal: AbortSignal): Promise<Session>;
  /** A session has begun; asked before anybody else uses it. */
  began(session: Session): void;
  /** It is over, or did not begin. */
  died(error: StunmeshError): void;
  /** True: it is started again by itself, as somebody waits for its events. */
  wanted(): boolean;
  /** A number in [0, 1): scatters the pauses. */
  random(): number;
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { clock, logger } = options;
  const closing = new AbortController();
  let session: Session | undefined;
  let starting: Promise<Session> | undefined;
  let deaths = 0;
  let notBefore = Number.NEGATIVE_INFINITY;
  let lastError: StunmeshError | undefined;

  /** The first restart is made at once, the next after 1 s, 2 s, 4 s and so on, up to a minute, each up to a fifth less. */
  const died = (error: StunmeshError): void => {
    deaths += 1;
    const scatter = { jitter: -0.2, random: options.random() };
    const pauseMs = deaths === 1 ? 0 : Math.round(doubling(deaths - 1, FIRST_PAUSE_MS, MOST_PAUSE_MS, scatter));
    notBefore = clock.now() + pauseMs;
    lastError = error;
    if (closing.signal.aborted) return;
    logger.warn({ code: error.code, error: error.message, pauseMs }, 'a session plugin ended; it is started again');
    options.died(error);
    if (options.wanted()) void revive(pauseMs);
  };

  const revive = async (pauseMs: number): Promise<void> => {
    try {
      await clock.sleep(pauseMs, closing.signal);
      if (session === undefined && options.wanted()) await (starting ?? start());
    } catch {
      // Closed; or the start failed, which has arranged for the next one.
    }
  };

  const start = (): Promise<Session> => {
    starting = (async () => {
      try {
        using limit = clock.deadline(START_MS, closing.signal);
        const opened = await options.open(limit.signal);
        const since = clock.now();
        session = opened;
        void opened.over.then((error) => {
          session = undefined;
          if (clock.now() - since >= STEADY_MS) deaths = 0;
          died(error);
        });
        options.began(opened);
        return opened;
      } catch (error) {
        const known = isStunmeshError(error) ? error : new StunmeshError('ERR_STORE_INTERNAL', 'could not be started');
        died(known);
        throw known;
      } finally {
        starting = undefined;
      }
    })();
    // Whoever began it may have given up meanwhile.
    starting.catch(() => {});
    return starting;
  };

  const closed = () => new StunmeshError('ERR_CLOSED', 'the store is closed');

  return {
    async session(signal) {
      signal.throwIfAborted();
      if (closing.signal.aborted) throw closed();
      if (session) return session;
      const waitMs = Math.ceil(notBefore - clock.now());
      if (starting === undefined && waitMs > 0 && lastError) {
        throw new StunmeshError(
          lastError.retry === 'never' ? lastError.code : 'ERR_STORE_UNAVAILABLE',
          `is started again in ${Math.ceil(waitMs / 1000)} s, having ended ${deaths} times: ${lastError.message}`,
          lastError.retry === 'never' ? { retry: 'never' } : { retryAfterMs: waitMs },
        );
      }
      return raceAbort(starting ?? start(), signal);
    },
    get running() {
      return session;
    },
    async close() {
      closing.abort(closed());
      await starting?.catch(() => {});
      await session?.close();
    },
  };
}
