/** Small plugins written on the spot, and what tests ask of them. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CallOptions, isStunmeshError, type Store, type StunmeshError } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import execStore, { type ExecStoreConfig } from '#src/index.js';

export const KEY = 'a'.repeat(40);
export const VALUE = '0123456789abcdef'.repeat(10);
export const free: CallOptions = { signal: new AbortController().signal };
export const clock = createSystemClock();

const BUN = fileURLToPath(new URL('../../../node_modules/@oven/bun-linux-x64/bin/bun', import.meta.url));
/** Runs the plugins in JavaScript that are written here, thousands of processes: Bun starts in a fifth of Node's time. */
export const JAVASCRIPT = existsSync(BUN) ? BUN : process.execPath;

export async function scratch(t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'store-exec-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A script in a folder of its own; returns its path. */
export async function script(t: TestContext, text: string, name = 'plugin'): Promise<string> {
  const path = join(await scratch(t), name);
  await writeFile(path, text, { mode: 0o755 });
  return path;
}

export async function open(t: TestContext, config: ExecStoreConfig, logger = createMemoryLogger()): Promise<Store> {
  const store = await execStore.open(config, { clock, logger });
  t.after(() => store[Symbol.asyncDispose]());
  return store;
}

/** An open store over a shell script that is written here. */
export async function plugin(t: TestContext, type: 'exec' | 'shell', body: string, logger = createMemoryLogger()) {
  return open(t, { type, command: await script(t, `#!/bin/sh\n${body}\n`) }, logger);
}

export function failure(promise: Promise<unknown>): Promise<StunmeshError> {
  return promise.then(
    () => assert.fail('resolved'),
    (error: unknown) => {
      assert.ok(isStunmeshError(error), String(error));
      return error;
    },
  );
}

/** Resolves once `check` holds; fails after 30 s, a safety net. */
export async function until(check: () => Promise<boolean>): Promise<void> {
  const end = clock.now() + 30_000;
  while (!(await check())) {
    assert.ok(clock.now() < end, 'it never came true');
    await clock.sleep(5);
  }
}

export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** A length of sleep that no other run of these tests uses; `kind` tells the tests of this run apart. */
export const nap = (kind: number): string => `${1_000_000 + process.pid}.${kind}`;

/** Resolves once no process sleeps for `time` any more (one that was killed needs a moment to vanish). Linux only. */
export async function gone(time: string): Promise<void> {
  await until(async () => {
    for (const pid of await readdir('/proc')) {
      const line = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
      if (line.includes(`sleep\0${time}`)) return false;
    }
    return true;
  });
}

/** Our own children that ended and were not waited for. Linux only. */
export async function zombies(): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    const stat = /^\d+$/.test(pid) ? await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '') : '';
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state === 'Z' && Number(parent) === process.pid) found.push(stat);
  }
  return found;
}
