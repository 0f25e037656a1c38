/** What must not outlive this process: open laboratories are torn down at exit and on signals, remains of dead ones swept. */
import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceName } from './plan.js';

/** Every namespace of a laboratory is called stl-PID36-COUNTER-…, its folder in the temporary folder likewise. */
const NAME_PATTERN = /^stl-([0-9a-z]+)-\d+(-|$)/;

export interface Emergency {
  /** Tears down without waiting for anything. */
  tearDownSync(): void;
}

const open = new Set<Emergency>();
let counter = 0;
let hooked = false;
let signalsHooked = false;

/** A name for a new laboratory: unique in this process and among living ones. */
export function nextLabName(): string {
  counter += 1;
  return `stl-${process.pid.toString(36)}-${counter}`;
}

export function register(lab: Emergency, handleSignals: boolean): void {
  open.add(lab);
  if (!hooked) {
    hooked = true;
    process.on('exit', tearDownAll);
  }
  if (handleSignals && !signalsHooked) {
    signalsHooked = true;
    for (const [signal, number] of [
      ['SIGINT', 2],
      ['SIGTERM', 15],
      ['SIGHUP', 1],
    ] as const) {
      process.once(signal, () => process.exit(128 + number));
    }
  }
}

export function unregister(lab: Emergency): void {
  open.delete(lab);
}

function tearDownAll(): void {
  for (const lab of open) lab.tearDownSync();
  open.clear();
}

/** Removes namespaces and their processes at once; missing ones are no error. */
export function removeNamespacesSync(names: readonly string[]): void {
  spawnSync('ip', ['-force', '-batch', '-'], {
    input: names.map((name) => `netns del ${name}\n`).join(''),
    stdio: 'pipe',
  });
}

/** Removes what laboratories of dead processes left behind (a SIGKILL leaves namespaces; their processes die with us). */
export function sweepDeadLabs(): readonly string[] {
  const dead = list('/run/netns').filter(isOfDeadProcess);
  if (dead.length > 0) removeNamespacesSync(dead);
  // A killed wireguard-go leaves its socket, named after its host.
  for (const name of dead) rmSync(`/var/run/wireguard/${deviceName(name)}.sock`, { force: true });
  for (const name of list(tmpdir()).filter(isOfDeadProcess))
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  return dead;
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isOfDeadProcess(name: string): boolean {
  const owner = NAME_PATTERN.exec(name)?.[1];
  if (owner === undefined) return false;
  try {
    process.kill(Number.parseInt(owner, 36), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
