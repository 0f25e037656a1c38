/** Tells systemd how the service is, by systemd-notify(1): Node has no datagram sockets in the file system, and sd_notify(3) wants one. */
import { execFile } from 'node:child_process';
import type { Clock, Logger } from '../api/index.js';

export interface ServiceNotifier {
  /** The daemon runs; `status` is the line that `systemctl status` shows. Never rejects. */
  ready(status: string): Promise<void>;
  /** It is about to end. Never rejects. */
  stopping(): Promise<void>;
  /** Shows signs of life, twice in each WatchdogSec= of the unit, until the signal aborts; nothing where it has none. Never rejects. */
  watch(signal: AbortSignal): Promise<void>;
}

export interface NotifierOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const NOTIFY_MS = 5_000;

/** Undefined where nobody waits for it: no $NOTIFY_SOCKET. The unit needs NotifyAccess=all, for a child process is what speaks. */
export function createNotifier({ env, clock, logger }: NotifierOptions): ServiceNotifier | undefined {
  const socket = env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return undefined;
  let complained = false;

  const notify = (...args: readonly string[]): Promise<void> =>
    new Promise((resolve) => {
      const options = { env: { PATH: env['PATH'] ?? '/usr/bin:/bin', NOTIFY_SOCKET: socket }, timeout: NOTIFY_MS };
      execFile('systemd-notify', args, options, (error) => {
        if (error && !complained) {
          complained = true;
          const why = error.code === 'ENOENT' ? 'is missing' : `failed (${error.code ?? error.signal})`;
          logger.warn({}, `systemd-notify ${why}, so systemd does not learn that this service runs: set Type=exec`);
        }
        resolve();
      });
    });

  return {
    ready: (status) => notify('--ready', `--status=${status}`),
    stopping: () => notify('STOPPING=1'),
    async watch(signal) {
      const everyMs = Number(env['WATCHDOG_USEC']) / 2_000;
      const meant = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(process.pid);
      if (!(everyMs > 0) || !meant) return;
      while (!signal.aborted) {
        await notify('WATCHDOG=1');
        await clock.sleep(everyMs, signal).catch(() => undefined);
      }
    },
  };
}
