/** Runs one child with an input: bounded output, its own process group, ended as a whole, always reaped (F31). */
import type { Readable } from 'node:stream';
import { type Clock, StunmeshError } from '@stunmesh/core/api';
import { disownGroup, endGroup, ownGroup } from './process-group.js';

/** Most that a child may print to stdout, and to stderr, in bytes. */
export const MAX_OUTPUT = 65_536;
/** How long output may still come once the child itself has ended: a helper in its pipeline may be the last to write. */
const DRAIN_MS = 250;

export interface ChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Text for stdin; a child that does not read it is no failure. */
  readonly input: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Finished {
  /** Absent when a signal ended it. */
  readonly exitCode?: number;
  readonly endedBy?: string;
  readonly stdout: string;
  readonly stderr: string;
}

interface Output {
  text(): string;
  readonly full: boolean;
}

function gather(stream: Readable, onFull: () => void): Output {
  const chunks: Buffer[] = [];
  let length = 0;
  stream.on('data', (chunk: Buffer) => {
    if (length > MAX_OUTPUT) return;
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_OUTPUT) onFull();
  });
  // A broken pipe to a child that is being killed says nothing new.
  stream.on('error', () => {});
  return {
    text: () => Buffer.concat(chunks).toString('utf8'),
    get full() {
      return length > MAX_OUTPUT;
    },
  };
}

/** Resolves when the child and its group are gone. Errors: the signal's reason, ERR_EXEC_SPAWN (it did not start), ERR_EXEC_OUTPUT (it printed too much). */
export async function runChild(options: ChildOptions): Promise<Finished> {
  const { clock, signal } = options;
  // Loaded by the first call, so that a configured but unused plugin costs no memory.
  const { execa } = await import('execa');
  signal.throwIfAborted();
  const child = execa(options.command, [...options.args], {
    env: options.env,
    extendEnv: false,
    detached: true,
    buffer: false,
    reject: false,
    stripFinalNewline: false,
    input: options.input,
  });
  const { pid } = child;
  if (pid === undefined) throw spawnError(options.command, await child);
  ownGroup(pid);

  const over = new AbortController();
  let ending: Promise<void> | undefined;
  const end = (): void => {
    ending ??= endGroup(pid, clock).finally(() => {
      // Somebody outside the group may hold the pipes; nobody waits for him.
      child.stdout.destroy();
      child.stderr.destroy();
    });
  };
  const stdout = gather(child.stdout, end);
  const stderr = gather(child.stderr, end);
  child.once('exit', () => {
    clock.sleep(DRAIN_MS, over.signal).then(end, () => {});
  });
  signal.addEventListener('abort', end, { once: true });
  try {
    const result = await child;
    over.abort();
    // Also after success: what the child left running in its group must not pile up.
    end();
    await ending;
    signal.throwIfAborted();
    if (stdout.full || stderr.full) {
      const which = stdout.full ? 'stdout' : 'stderr';
      throw new StunmeshError('ERR_EXEC_OUTPUT', `it printed more than ${MAX_OUTPUT} bytes to ${which} and was ended`);
    }
    return {
      ...(result.exitCode === undefined ? {} : { exitCode: result.exitCode }),
      ...(result.signal === undefined ? {} : { endedBy: result.signal }),
      stdout: stdout.text(),
      stderr: stderr.text(),
    };
  } finally {
    signal.removeEventListener('abort', end);
    disownGroup(pid);
  }
}

const SPAWN_REMEDIES: Readonly<Record<string, string>> = {
  ENOENT:
    'there is no such program (or the interpreter in its first line is missing); install it, or write its full path',
  EACCES: 'it may not be executed; make it executable (chmod +x) and its folder accessible',
  ENOEXEC: 'the system cannot execute it; give a script a first line such as #!/bin/sh',
  ENOTDIR: 'part of its path is a file; write its full path',
};

function spawnError(command: string, result: { readonly code?: string }): StunmeshError {
  const code = result.code ?? 'unknown error';
  const remedy = SPAWN_REMEDIES[code];
  return new StunmeshError(
    'ERR_EXEC_SPAWN',
    `cannot start "${command}": ${remedy ?? 'the system refused it'} (${code})`,
    {
      // What the plugin's author or user must mend stays; a shortage of processes or descriptors passes.
      retry: remedy === undefined ? 'later' : 'never',
      details: { command, errno: code },
    },
  );
}
