/** Runs one short command with a deadline, an output cap and a process group of its own (F31). */
import type { Clock } from '../api/index.js';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const searchPath = () => process.env['PATH'] ?? DEFAULT_PATH;

/** Where a command without a slash is looked for. */
export const searchedFolders = (): readonly string[] => searchPath().split(':');

/** A dump line is about 200 characters, more with many allowed IPs: room for tens of thousands of peers. */
export const OUTPUT_CAP = 32 * 1024 * 1024;

export interface CommandResult {
  /** undefined: it did not start, or a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** The system's code where it could not be started (ENOENT, EACCES). */
  readonly spawnCode?: string;
  /** It wrote more than OUTPUT_CAP and was killed. */
  readonly capped: boolean;
}

export interface CommandOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  /** What it reads from its standard input; without it there is none. */
  readonly input?: string;
}

/** Resolves whatever the exit status; rejects with the signal's reason or ERR_DEADLINE, once the process group was killed. */
export async function runCommand(
  file: string,
  args: readonly string[],
  { clock, deadlineMs, signal: parent, input }: CommandOptions,
): Promise<CommandResult> {
  // execa costs 14 MiB: a daemon whose devices all have a userspace socket never loads it.
  const { execa } = await import('execa');
  // Loading it takes seconds on a small router, once: that is not the command's time.
  using deadline = clock.deadline(deadlineMs, parent);
  const { signal } = deadline;
  signal.throwIfAborted();
  // The environment is PATH, English messages and no name lookups that are tried again: endpoints are numeric.
  const child = execa(file, args, {
    reject: false,
    extendEnv: false,
    env: { PATH: searchPath(), LC_ALL: 'C', WG_ENDPOINT_RESOLUTION_RETRIES: '0' },
    cwd: '/',
    detached: true,
    // Of a program that fails execa would put all output into a message, character by character: seconds for what the cap allows.
    buffer: false,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
  });
  const kept = { stdout: '', stderr: '' };
  let capped = false;
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      capped ||= kept[name].length + text.length > OUTPUT_CAP;
      if (capped) killGroup(child);
      else kept[name] += text;
    });
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => {
      killGroup(child);
      reject(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    const result = await Promise.race([child, aborted]);
    const code = result.exitCode === undefined ? result.code : undefined;
    return {
      exitCode: result.exitCode,
      ...kept,
      ...(code !== undefined && { spawnCode: code }),
      capped,
    };
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

function killGroup(child: { readonly pid?: number | undefined; exitCode: number | null; signalCode: string | null }) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // gone in between
  }
}
