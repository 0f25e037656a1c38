/** Starts programs that use an addon and end in various ways (lives.ts says what they hold), and judges what they left behind. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Resources } from './lives.js';

const MIB = 2 ** 20;
/** With a small young generation, which otherwise grows by itself and hides what is lost. */
const FLAGS = ['--expose-gc', '--max-semi-space-size=1'];

export type Ended = SpawnSyncReturns<string>;
export type Live = (name: string, argument?: string, options?: { timeoutMs?: number; addon?: string }) => Ended;

/** Runs a life of this program to its end. `addon` is a path that it loads instead of its own. */
export function createLive(program: string): Live {
  return (name, argument = '', { timeoutMs = 30_000, addon } = {}) =>
    spawnSync(process.execPath, [...FLAGS, program, name, argument], {
      encoding: 'utf8',
      timeout: timeoutMs,
      env: addon === undefined ? process.env : { ...process.env, STUNMESH_TEST_ADDON: addon },
    });
}

/** Fails where rounds, printed as by measureRounds, left descriptors or threads, or more memory than `mostMib`. */
export function expectNothingLost({ stdout, stderr, status }: Ended, mostMib: number): void {
  assert.equal(status, 0, stderr);
  const found = JSON.parse(stdout) as { before: Resources; after: Resources };
  assert.deepEqual(found.after.descriptors, found.before.descriptors);
  assert.equal(found.after.threads, found.before.threads);
  const grown = (found.after.rssBytes - found.before.rssBytes) / MIB;
  assert.ok(grown < mostMib, `grew by ${grown.toFixed(1)} MiB`);
}

/** Ways in which a process may end while all is open, with exit status and signal. */
export const ENDINGS = [
  { how: 'exit', status: 0, signal: null },
  { how: 'throw', status: 1, signal: null },
  { how: 'kill', status: null, signal: 'SIGTERM' },
] as const;

/** Fails unless the life "exit" ended so, twice: frames arrive while it does, which is a race. */
export function expectEnding(
  live: Live,
  { how, status, signal }: { how: string; status: number | null; signal: string | null },
): void {
  for (let i = 0; i < 2; i += 1) {
    const result = live('exit', how);
    assert.equal(result.stdout, 'heard\n', result.stderr);
    assert.equal(result.signal, signal);
    assert.equal(result.status, status);
    if (how !== 'throw') assert.equal(result.stderr, '');
  }
}

/** Fails unless six workers heard something, half of which ended without closing, and their threads are gone. */
export function expectWorkersGone({ stdout, stderr, status }: Ended): void {
  const [heard, counts = ''] = stdout.split('\n');
  assert.equal(heard, 'heard heard heard heard heard heard', stderr);
  assert.equal(status, 0);
  assert.ok((JSON.parse(counts) as Resources).threads <= 12, counts);
}

/** The sanitizer's library, which must come before all others in a process that was not built with it; undefined: none here. */
export function findSanitizer(): string | undefined {
  const found = spawnSync('cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' });
  const file = found.status === 0 ? found.stdout.trim() : '';
  return path.isAbsolute(file) && existsSync(file) ? file : undefined;
}

/** Lives that are led under sanitizers, with the exit status of each. */
export const SANITIZED_LIVES = [
  { name: 'tidy', argument: '', status: 0 },
  { name: 'exit', argument: 'exit', status: 0 },
  { name: 'exit', argument: 'throw', status: 1 },
  { name: 'workers', argument: '2', status: 0 },
] as const;

/** Fails where a sanitizer finds a bad access, or a frame of the addon (whose functions `own` matches) among the leaks. */
export function expectClean(
  program: string,
  { name, argument, status }: (typeof SANITIZED_LIVES)[number],
  { library, addon, own }: { library: string; addon: string; own: RegExp },
): void {
  const result = spawnSync(process.execPath, ['--expose-gc', program, name, argument], {
    encoding: 'utf8',
    timeout: 160_000,
    env: {
      ...process.env,
      STUNMESH_TEST_ADDON: addon,
      LD_PRELOAD: library,
      // Node leaves things of its own behind at its end; only frames of the addon count. process.exit() tidies nothing up.
      ASAN_OPTIONS: `detect_leaks=${name === 'exit' ? 0 : 1}:exitcode=0:abort_on_error=0:halt_on_error=0`,
      UBSAN_OPTIONS: 'print_stacktrace=1',
    },
  });
  assert.equal(result.status, status, result.stderr);
  if (name === 'tidy') assert.match(result.stdout, /thrown 1, thrown 2, thrown 3\n$/);
  const text = result.stdout + result.stderr;
  assert.doesNotMatch(text, /ERROR: AddressSanitizer|runtime error:|Sanitizer:DEADLYSIGNAL/);
  assert.doesNotMatch(text, own, 'frames of the addon in a leak');
  assert.doesNotMatch(text, /capture\.c|stunmesh_\w+\.h/, 'sources of the addon in a leak');
}
