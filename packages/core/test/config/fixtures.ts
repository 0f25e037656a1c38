/** What the tests of the configuration share: fixtures, temporary files, a loader that gives the failure as a value. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { StunmeshError } from '#src/api/errors.js';
import { type LoadedConfig, loadConfig } from '#src/config/index.js';

const FOLDER = new URL('../../../../test/fixtures/config/', import.meta.url);

export const KEY_A = 'e06Qm75//kTEZaIgA31gjuNYl9Me+XLwf3SJLLD3PxM=';
export const KEY_B = 'D6poTtKIZ7l/Smot7l34zpdOdrcBjj8iocTPJnhXDyA=';

export function fixturePath(name: string): string {
  return fileURLToPath(new URL(name, FOLDER));
}

export async function readFixture(name: string): Promise<string> {
  return await readFile(new URL(name, FOLDER), 'utf8');
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-config-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Loads `text` as ./c.yaml; its problems carry that name. */
export async function load(t: TestContext, text: string | Uint8Array, mode = 0o600): Promise<LoadedConfig> {
  const cwd = await temporaryFolder(t);
  await writeFile(join(cwd, 'c.yaml'), text);
  await chmod(join(cwd, 'c.yaml'), mode);
  return await loadConfig({ file: 'c.yaml', env: {}, cwd, platform: 'linux' });
}

/** The failure of loading `text`, without the file's name at each line's beginning. */
export async function failure(t: TestContext, text: string | Uint8Array): Promise<{ code: string; lines: string[] }> {
  try {
    await load(t, text);
  } catch (error) {
    const { code, message } = error as StunmeshError;
    return { code, lines: message.split('\n').map((line) => line.replace(/^c\.yaml:/, '')) };
  }
  return { code: 'none', lines: [] };
}

/** Milliseconds of processor time so far: what a busy machine does not stretch as it does wall time. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
