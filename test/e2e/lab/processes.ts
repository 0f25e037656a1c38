/** Processes inside the laboratory's namespaces: each in a group of its own, dying with us, output kept. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';

export interface RunOptions {
  readonly input?: string;
  /** Milliseconds until the group is killed; default 15 s. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface RunResult {
  /** 128 + signal number is not used: a killed process has code null. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A copy of stdout and stderr goes there. */
  readonly logFile?: string;
}

/** At most this much of each stream is kept in memory; the log file has all of it. */
const KEPT_CHARACTERS = 4_000_000;

/** Ends at once where the process that is to be died with had died before the tie was made: no signal would come any more. */
const STILL_TIED = '[ "$PPID" = "$0" ] || exit 137; exec "$@"';

/** The command line that runs `argv` in a namespace and dies with this process, which has to start it, however that ends. */
export function inNamespace(namespace: string | undefined, argv: readonly string[]): string[] {
  const tied = ['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', STILL_TIED, String(process.pid), ...argv];
  return namespace === undefined ? tied : ['ip', 'netns', 'exec', namespace, ...tied];
}

/** A running process of the laboratory. */
export class LabProcess implements AsyncDisposable {
  readonly pid: number;
  readonly argv: readonly string[];
  /** Resolves when it has ended and its output is read. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  stdout = '';
  stderr = '';
  running = true;
  readonly #child: ChildProcess;
  readonly #log: WriteStream | undefined;
  readonly #lineListeners = new Set<(line: string) => void>();
  #rest = '';

  constructor(namespace: string | undefined, argv: readonly string[], options: SpawnOptions = {}) {
    const [file = '', ...args] = inNamespace(namespace, argv);
    this.argv = argv;
    this.#log = options.logFile === undefined ? undefined : createWriteStream(options.logFile, { flags: 'a' });
    this.#child = spawn(file, args, {
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.pid = this.#child.pid ?? -1;
    this.#child.stdin?.on('error', () => {});
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#out(text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log?.write(text);
      if (this.stderr.length < KEPT_CHARACTERS) this.stderr += text;
    });
    this.exited = new Promise((resolve) => {
      const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.running = false;
        this.#log?.end();
        resolve({ code, signal });
      };
      this.#child.once('error', (error) => {
        this.stderr += error.message;
        ended(127, null);
      });
      this.#child.once('exit', () => {
        this.running = false;
        // A grandchild that holds the pipes must not hold us.
        setTimeout(() => this.#child.stdout?.destroy(), 300).unref();
        setTimeout(() => this.#child.stderr?.destroy(), 300).unref();
      });
      this.#child.once('close', ended);
    });
  }

  /** Calls back with each line of stdout from now on. */
  onLine(listener: (line: string) => void): void {
    this.#lineListeners.add(listener);
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  end(text = ''): void {
    this.#child.stdin?.end(text);
  }

  /** Signals the whole group; false if it is gone. */
  signal(signal: NodeJS.Signals): boolean {
    if (this.pid < 2) return false;
    try {
      process.kill(-this.pid, signal);
      return true;
    } catch {
      return false;
    }
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #out(text: string): void {
    this.#log?.write(text);
    if (this.stdout.length < KEPT_CHARACTERS) this.stdout += text;
    if (this.#lineListeners.size === 0) return;
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) for (const listener of this.#lineListeners) listener(line);
  }
}

/** Runs to the end; the exit code is a value, not an error. */
export async function run(
  namespace: string | undefined,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const child = new LabProcess(namespace, argv, options);
  child.end(options.input ?? '');
  const timer = setTimeout(() => child.signal('SIGKILL'), options.timeoutMs ?? 15_000);
  const { code, signal } = await child.exited;
  clearTimeout(timer);
  return { code, signal, stdout: child.stdout, stderr: child.stderr };
}

/** Runs to the end and rejects, with what it said, unless it exits 0. */
export async function must(
  namespace: string | undefined,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(namespace, argv, options);
  if (result.code !== 0) {
    const where = namespace === undefined ? '' : ` in ${namespace}`;
    const end = result.signal ?? `exit code ${result.code}`;
    throw new Error(`${argv.join(' ')}${where}: ${end}: ${(result.stderr || result.stdout).trim().slice(-2000)}`);
  }
  return result.stdout;
}
