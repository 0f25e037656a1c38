/** Runs one short command with a deadline, an output cap and a process group of its own (F31). */

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

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

/** Resolves whatever the exit status; rejects with the signal's reason, once the process group was killed. */
export async function runCommand(
  file: string,
  args: readonly string[],
  { signal, input }: { readonly signal: AbortSignal; readonly input?: string },
): Promise<CommandResult> {
  signal.throwIfAborted();
  // execa costs 14 MiB: a daemon whose devices all have a userspace socket never loads it.
  const { execa } = await import('execa');
  signal.throwIfAborted();
  // The environment is PATH, English messages and no name lookups that are tried again: endpoints are numeric.
  const child = execa(file, args, {
    reject: false,
    extendEnv: false,
    env: { PATH: process.env['PATH'] ?? DEFAULT_PATH, LC_ALL: 'C', WG_ENDPOINT_RESOLUTION_RETRIES: '0' },
    cwd: '/',
    detached: true,
    maxBuffer: OUTPUT_CAP,
    stripFinalNewline: false,
    ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
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
      stdout: result.stdout ?? '',
      stderr: result.stderr ?? '',
      ...(code !== undefined && { spawnCode: code }),
      capped: result.isMaxBuffer,
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
