/** One connection that is made when it is first wanted and made again for ever, with growing pauses. */
import { type Clock, doubling, StunmeshError } from '@stunmesh/core/api';

/** A connection that stands. */
export interface Connection<Client> {
  readonly client: Client;
  /** Resolves when it is over, whoever ended it; with the reason where the server gave one. */
  readonly ended: Promise<StunmeshError | undefined>;
  /** Leaves no socket; resolves soon. */
  close(): Promise<void>;
}

export interface LinkOptions<Client> {
  readonly clock: Clock;
  /** Makes a connection. Rejects with a StunmeshError; `attempt` counts from 0. */
  open(signal: AbortSignal, attempt: number): Promise<Connection<Client>>;
  /** It stands, for the first time or again. */
  onUp(): void;
  /** It was lost, or could not be made; called for every failed attempt. */
  onDown(error: StunmeshError): void;
  /** What it means that it was lost. */
  lost(): StunmeshError;
  /** What it means that an attempt took too long. */
  unanswered(): StunmeshError;
}

export interface Link<Client> extends AsyncDisposable {
  /** The client, as soon as there is one. Rejects with the reason when the attempt under way fails, at once in the pause
   * after one that failed, and with the signal's reason. */
  ready(signal: AbortSignal): Promise<Client>;
  /** The client, where there is one now. */
  readonly current: Client | undefined;
  /** Why the last connection ended, where the server gave a reason. */
  readonly reason: StunmeshError | undefined;
  /** This client is of no use any more: closed and replaced. */
  drop(client: Client): void;
}

/** An attempt that has not succeeded after this time has failed, in milliseconds. */
const ATTEMPT_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const MOST_PAUSE_MS = 10_000;
/** A connection that stood for so long earns a first try without a pause, in milliseconds. */
const STEADY_MS = 5_000;

type State<Client> =
  | { readonly is: 'up'; readonly connection: Connection<Client> }
  | { readonly is: 'trying' }
  | { readonly is: 'pausing'; readonly error: StunmeshError; readonly until: number };

interface Waiter<Client> {
  resolve(client: Client): void;
  reject(error: unknown): void;
}

export function createLink<Client>(options: LinkOptions<Client>): Link<Client> {
  const { clock } = options;
  const closing = new AbortController();
  const waiters = new Set<Waiter<Client>>();
  let state: State<Client> = { is: 'trying' };
  let running: Promise<void> | undefined;
  let lastReason: StunmeshError | undefined;

  const settle = (tell: (waiter: Waiter<Client>) => void): void => {
    for (const waiter of waiters) tell(waiter);
    waiters.clear();
  };

  async function attempt(count: number): Promise<Connection<Client>> {
    using limit = clock.deadline(ATTEMPT_MS, closing.signal);
    try {
      return await options.open(limit.signal, count);
    } catch (error) {
      throw limit.signal.aborted ? options.unanswered() : error;
    }
  }

  async function run(): Promise<void> {
    const { signal } = closing;
    let failures = 0;
    const pause = async (): Promise<void> => {
      // Scattered by a fifth, so that many machines do not come back at the same moment.
      failures += 1;
      const ms = doubling(failures, FIRST_PAUSE_MS, MOST_PAUSE_MS, { jitter: -0.2, random: Math.random() });
      if (state.is === 'pausing') state = { ...state, until: clock.now() + ms };
      await clock.sleep(ms, signal).catch(() => {});
    };
    for (let count = 0; !signal.aborted; count += 1) {
      let connection: Connection<Client>;
      state = { is: 'trying' };
      try {
        connection = await attempt(count);
      } catch (failure) {
        if (signal.aborted) break;
        const error = failure as StunmeshError;
        state = { is: 'pausing', error, until: clock.now() };
        options.onDown(error);
        settle((waiter) => waiter.reject(error));
        await pause();
        continue;
      }
      state = { is: 'up', connection };
      const since = clock.now();
      options.onUp();
      settle((waiter) => waiter.resolve(connection.client));
      const reason = await connection.ended;
      await connection.close();
      if (signal.aborted) break;
      state = { is: 'trying' };
      lastReason = reason;
      options.onDown(reason ?? options.lost());
      if (clock.now() - since >= STEADY_MS) failures = 0;
      else await pause();
    }
  }

  return {
    ready(signal) {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (closing.signal.aborted) return Promise.reject(closedError());
      running ??= run();
      const now = state;
      if (now.is === 'up') return Promise.resolve(now.connection.client);
      if (now.is === 'pausing') return Promise.reject(laterError(now.error, now.until - clock.now()));
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiters.delete(waiter);
          reject(signal.reason);
        };
        const over = (): void => signal.removeEventListener('abort', onAbort);
        const waiter: Waiter<Client> = {
          resolve(client) {
            over();
            resolve(client);
          },
          reject(error) {
            over();
            reject(error);
          },
        };
        signal.addEventListener('abort', onAbort, { once: true });
        waiters.add(waiter);
      });
    },
    get current() {
      return state.is === 'up' ? state.connection.client : undefined;
    },
    get reason() {
      return lastReason;
    },
    drop(client) {
      if (state.is !== 'up' || state.connection.client !== client) return;
      void state.connection.close();
      // Who calls from now on waits for the next one.
      state = { is: 'trying' };
    },
    async [Symbol.asyncDispose]() {
      closing.abort();
      settle((waiter) => waiter.reject(closedError()));
      if (state.is === 'up') await state.connection.close();
      await running;
    },
  };
}

const closedError = (): StunmeshError => new StunmeshError('ERR_CLOSED', 'the store is closed');

/** The same error, with the time of the next attempt. */
function laterError(error: StunmeshError, ms: number): StunmeshError {
  const { code, message, retry, details } = error;
  return new StunmeshError(code, message, { retry, details, retryAfterMs: Math.max(0, Math.ceil(ms)) });
}
