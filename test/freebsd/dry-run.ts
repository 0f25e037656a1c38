/** Runs test/freebsd/run.sh with commands that only write down how they were called. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY } from '../e2e/lab/index.js';

export const SCRIPT = join(REPOSITORY, 'test/freebsd/run.sh');
const STUB = join(REPOSITORY, 'test/fixtures/freebsd/stub.sh');

const COMMANDS = [
  ...['uname', 'id', 'sysctl', 'jail', 'jexec', 'ifconfig', 'pfctl', 'route', 'kldload', 'ping', 'wg', 'node'],
  ...['netstat', 'sockstat', 'dmesg', 'sleep', 'miniupnpd'],
];

export interface ScriptOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Told all output so far; may end the script. */
  readonly onOutput?: (output: string, child: ChildProcess) => void;
}

/** Exit status and output of a command; ended by SIGTERM after five minutes, so that it can clean up. */
export async function runScript(
  [file = '', ...args]: readonly string[],
  { env, onOutput }: ScriptOptions,
): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 });
  let output = '';
  const onData = (chunk: Buffer) => {
    output += chunk.toString();
    onOutput?.(output, child);
  };
  child.stdout?.on('data', onData);
  child.stderr?.on('data', onData);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, output };
}

export interface DryRunResult {
  readonly code: number | null;
  readonly output: string;
  /** "WHERE: COMMAND ARGUMENTS" in their order; WHERE is host or a jail's name without its number. */
  readonly calls: readonly string[];
  /** Jails, interfaces and temporary folders that are still there. */
  readonly left: readonly string[];
}

export interface DryRunOptions {
  /** STUB_* of test/fixtures/freebsd/stub.sh, and the script's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly shell?: string;
  readonly bundle?: boolean;
  /** A command that this machine does not have. */
  readonly without?: string;
  readonly onOutput?: ScriptOptions['onOutput'];
}

export async function dryRun({
  env = {},
  shell = 'sh',
  bundle = true,
  without,
  onOutput,
}: DryRunOptions = {}): Promise<DryRunResult> {
  const folder = await mkdtemp(join(tmpdir(), 'dry-'));
  try {
    const bin = join(folder, 'bin');
    await mkdir(bin);
    await mkdir(join(folder, 'tmp'));
    for (const command of COMMANDS) if (command !== without) await symlink(STUB, join(bin, command));
    const made = join(folder, 'bundle');
    await mkdir(made);
    if (bundle) for (const name of ['stunmesh.js', 'stunmesh_capture.node']) await writeFile(join(made, name), '');
    const standIns = await putService(folder, made);
    const { code, output } = await runScript([shell, SCRIPT, made], {
      env: {
        PATH: `${bin}:/usr/bin:/bin`,
        STUB: folder,
        PATIENCE: '3',
        TMPDIR: join(folder, 'tmp'),
        ...standIns,
        ...env,
      },
      ...(onOutput && { onOutput }),
    });
    const callsFile = join(folder, 'calls');
    const text = existsSync(callsFile) ? await readFile(callsFile, 'utf8') : '';
    return { code, output, calls: text.split('\n').filter(Boolean).map(withoutNumbers), left: leftIn(folder) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The rc.d script in a bundle, and in `folder` what stands in for the system that it runs under; what the scenario has to be told of that. */
export async function putService(folder: string, bundle: string): Promise<Readonly<Record<string, string>>> {
  const script = 'service/freebsd/stunmesh';
  await mkdir(join(bundle, 'service/freebsd'), { recursive: true });
  await copyFile(join(REPOSITORY, 'packages/core', script), join(bundle, script));
  const fixture = (name: string) => join(REPOSITORY, 'test/fixtures/freebsd', name);
  const daemon = join(folder, 'daemon');
  // By this Node: the one in PATH may be a stand-in itself.
  await writeFile(daemon, `#!/bin/sh\nexec ${process.execPath} ${fixture('daemon.mjs')} "$@"\n`, { mode: 0o755 });
  await symlink(fixture('pwait.sh'), join(folder, 'bin/pwait'));
  return { RC_SUBR: fixture('rc.subr'), RC_CONF: '/dev/null', DAEMON: daemon };
}

function withoutNumbers(call: string): string {
  return call.replaceAll(/smt\d+/g, '');
}

function leftIn(folder: string): string[] {
  return ['jails', 'links', 'tmp'].flatMap((kind) => {
    const path = join(folder, kind);
    return existsSync(path) ? readdirSync(path).map((name) => `${kind}/${name}`) : [];
  });
}

/** Results of a TAP report, as "ok TITLE", "not ok TITLE" or "skip TITLE", in their order; throws where numbers or plan are wrong. */
export function parseTap(output: string): readonly string[] {
  const lines = output.split('\n').flatMap((line) => {
    const match = /^(not )?ok (\d+) - (.*?)( # SKIP .*)?$/.exec(line);
    return match
      ? [{ number: Number(match[2]), text: `${match[4] ? 'skip' : match[1] ? 'not ok' : 'ok'} ${match[3]}` }]
      : [];
  });
  lines.forEach(({ number }, index) => {
    if (number !== index + 1) throw new Error(`test ${number} stands at ${index + 1}`);
  });
  const plan = /^1\.\.(\d+)$/m.exec(output)?.[1];
  if (!/^Bail out!/m.test(output) && Number(plan) !== lines.length)
    throw new Error(`the plan says ${plan}, not ${lines.length}`);
  return lines.map(({ text }) => text);
}
