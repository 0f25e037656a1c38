/** A bundle made for a test in a folder with nothing installed beside it, and the runtimes that run it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { must, REPOSITORY, type RunResult, run } from '../../lab/index.js';

export type Runtime = 'node' | 'bun';
export const RUNTIMES: readonly Runtime[] = ['node', 'bun'];

/** The program of a runtime: this Node, or the Bun of this repository. */
export function runtimePath(runtime: Runtime): string {
  if (runtime === 'node') return process.execPath;
  const require = createRequire(import.meta.url);
  return join(dirname(require.resolve('@oven/bun-linux-x64/package.json')), 'bin/bun');
}

export class MadeBundle implements AsyncDisposable {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** `npm run bundle` as it is, but for the build that has been. */
  static async make(...options: readonly string[]): Promise<MadeBundle> {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    const script = join(REPOSITORY, 'test/tools/bundle.mjs');
    await must(undefined, [process.execPath, script, '--no-build', '--out', join(folder, 'it'), ...options], {
      timeoutMs: 60_000,
    });
    return new MadeBundle(folder);
  }

  get files(): string {
    return join(this.folder, 'it');
  }

  command(runtime: Runtime): readonly string[] {
    return [runtimePath(runtime), join(this.files, 'stunmesh.js')];
  }

  /** Runs a command of the program to its end, outside of the repository. */
  run(runtime: Runtime, args: readonly string[]): Promise<RunResult> {
    return run(undefined, [...this.command(runtime), ...args], { timeoutMs: 60_000 });
  }

  /** The same, and it has to end well; what it wrote to stdout. */
  async mustRun(runtime: Runtime, args: readonly string[]): Promise<string> {
    const result = await this.run(runtime, args);
    assert.equal(result.code, 0, `${runtime} ${args.join(' ')}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
