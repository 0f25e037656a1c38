/** Starts a child in a process group of its own, with a file as its input and pipes for its output. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { StunmeshError } from '@stunmesh/core/api';
import type { Pipe, Scratch } from './scratch.js';
import { scriptFault } from './script-fault.js';

export interface LaunchOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Text for stdin; a child that does not read it is no failure. Absent: stdin is a pipe that stays open. */
  readonly input?: string;
  readonly scratch: Scratch;
}

export interface Exit {
  /** Absent when a signal ended it. */
  readonly exitCode?: number;
  readonly endedBy?: string;
}

/** A child that ran to its end. */
export interface Finished extends Exit {
  readonly stdout: string;
  readonly stderr: string;
  /** Why it could not run, where its exit status says that and its first line tells. */
  readonly fault?: string;
}

export interface Launched {
  /** Also the number of its process group. */
  readonly pid: number;
  /** Only where no input was given. */
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<Exit>;
  /** Closes the streams. Each says whether its end was read, so that its pipe can serve again. */
  release(stdoutEnded: boolean, stderrEnded: boolean): void;
}

/** Errors: ERR_EXEC_SPAWN. */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const { command, scratch } = options;
  const pipes: (Pipe | undefined)[] = [];
  let stdin: number | undefined;
  try {
    while (pipes.length < 2) pipes.push(await scratch.takePipe());
    const [out, err] = pipes;
    stdin = options.input === undefined ? undefined : scratch.inputFd(options.input);
    const child = spawnChild(options, [stdin ?? 'pipe', out?.writeFd ?? 'pipe', err?.writeFd ?? 'pipe']);
    // A spawn that fails says why in an event of the next turn.
    const failed = new Promise<never>((_resolve, reject) => {
      child.once('error', (error: NodeJS.ErrnoException) => reject(spawnError(command, options.env, error.code)));
    });
    failed.catch(() => {});
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal === null ? { exitCode: code ?? 0 } : { endedBy: signal }));
    });
    const stdout = out?.reader ?? child.stdout;
    const stderr = err?.reader ?? child.stderr;
    if (child.pid === undefined || !stdout || !stderr) return await failed;
    return {
      pid: child.pid,
      ...(child.stdin ? { stdin: child.stdin } : {}),
      stdout,
      stderr,
      exited,
      release(stdoutEnded, stderrEnded) {
        child.stdin?.destroy();
        stdout.destroy();
        stderr.destroy();
        out?.release(stdoutEnded);
        err?.release(stderrEnded);
      },
    };
  } catch (error) {
    for (const pipe of pipes) pipe?.release(true);
    throw error;
  } finally {
    for (const pipe of pipes) if (pipe) closeSync(pipe.writeFd);
    if (stdin !== undefined) closeSync(stdin);
  }
}

function spawnChild({ command, args, env }: LaunchOptions, stdio: (number | 'pipe')[]): ChildProcess {
  try {
    return spawn(command, args, { env, detached: true, stdio });
  } catch (error) {
    // Some refusals (E2BIG, a NUL in an argument) are thrown instead.
    throw spawnError(command, env, (error as NodeJS.ErrnoException).code);
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such program; install it, or write its full path',
  EACCES: 'it may not be executed; make it executable (chmod +x) and its folder accessible',
  ENOEXEC: 'the system cannot execute it; give a script a first line such as #!/bin/sh',
  ENOTDIR: 'part of its path is a file; write its full path',
  ERR_INVALID_ARG_VALUE: 'its name or an argument holds a zero byte; take it out',
};

function spawnError(command: string, env: LaunchOptions['env'], errno = 'unknown error'): StunmeshError {
  const remedy = (errno === 'ENOENT' ? scriptFault(command, env['PATH']) : undefined) ?? REMEDIES[errno];
  return new StunmeshError('ERR_EXEC_SPAWN', `cannot be started: ${remedy ?? 'the system refused it'} (${errno})`, {
    // A shortage of processes or descriptors passes; what is missing stays missing until somebody acts.
    retry: remedy === undefined ? 'later' : 'never',
    details: { command, errno },
  });
}
