/** A plugin without the store around it: what it reads and writes as it is, for the conformance cases of exec plugins. */
import { type Clock, StunmeshError } from '@stunmesh/core/api';
import { runChild } from './child.js';
import { type ExecParts, type ExecStoreConfig, launchOptions } from './exec-config.js';
import { makeFifos } from './fifos.js';
import type { Finished } from './launch.js';
import { type Exit, launch } from './launch.js';
import { readLines } from './lines.js';
import { endGroup, ownGroup } from './process-group.js';
import { createScratch } from './scratch.js';

/** Most bytes that a probe reads of one line, or of one process. */
const MOST = 4 * 1024 * 1024;
/** Most lines that wait for the case that reads them. */
const MOST_LINES = 10_000;
/** How long output may still come once the process itself has ended, in milliseconds. */
const DRAIN_MS = 250;

export interface ProbeSession extends AsyncDisposable {
  /** Text for its stdin. */
  write(text: string): void;
  /** The next line of its stdout; undefined: there will be none. Rejects with the signal's reason. */
  line(signal: AbortSignal): Promise<string | undefined>;
  /** Ends its stdin. */
  end(): void;
  kill(): void;
  /** Resolves when the process has ended. */
  readonly exited: Promise<Exit>;
}

export interface Probe extends AsyncDisposable {
  /** One process with this on its stdin, run to its end. Errors: as runChild. */
  run(input: string, signal: AbortSignal): Promise<Finished>;
  /** One process whose stdin stays open. Errors: ERR_EXEC_SPAWN. */
  session(): Promise<ProbeSession>;
}

export function openProbe(
  config: ExecStoreConfig,
  { clock, secretVariables }: Pick<ExecParts, 'clock' | 'secretVariables'>,
): Probe {
  const scratch = createScratch(makeFifos);
  const launching = { ...launchOptions(config, secretVariables), scratch };
  return {
    run: (input, signal) => runChild({ ...launching, input, clock, signal, maxStdout: MOST }),
    session: () => openProbeSession({ ...launching, clock }),
    async [Symbol.asyncDispose]() {
      scratch[Symbol.dispose]();
    },
  };
}

async function openProbeSession(
  options: Parameters<typeof launch>[0] & { readonly clock: Clock },
): Promise<ProbeSession> {
  const { clock } = options;
  const child = await launch(options);
  const disown = ownGroup(child.pid);
  const lines: string[] = [];
  let wake: () => void = () => {};
  let over = false;
  child.stdin?.on('error', () => {});
  child.stderr.resume();
  child.stderr.on('error', () => {});
  const stdout = readLines(child.stdout, {
    most: () => MOST,
    line(text) {
      lines.push(text);
      if (lines.length > MOST_LINES) {
        stdout.stop();
        void endGroup(child.pid, clock);
      }
      wake();
    },
    tooLong: () => void endGroup(child.pid, clock),
  });
  const finished = async () => {
    over = true;
    wake();
  };
  void stdout.over.then(finished);
  void child.exited.then(() => clock.sleep(DRAIN_MS)).then(finished);
  return {
    exited: child.exited,
    write: (text) => void child.stdin?.write(text),
    end: () => void child.stdin?.end(),
    kill: () => void process.kill(-child.pid, 'SIGKILL'),
    async line(signal) {
      for (;;) {
        signal.throwIfAborted();
        const line = lines.shift();
        if (line !== undefined || over) return line;
        await new Promise<void>((resolve, reject) => {
          const onAbort = () => reject(signal.reason ?? new StunmeshError('ERR_CLOSED', 'given up'));
          signal.addEventListener('abort', onAbort, { once: true });
          wake = () => {
            signal.removeEventListener('abort', onAbort);
            resolve();
          };
        });
      }
    },
    async [Symbol.asyncDispose]() {
      await endGroup(child.pid, clock);
      await child.exited;
      child.release(stdout.ended, false);
      disown();
    },
  };
}
