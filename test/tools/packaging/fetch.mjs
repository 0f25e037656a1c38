/** Programs of others that builds need once: npm and Debian packages, unpacked below ~/.cache/stunmesh and never installed. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { refreshPackageLists } from '../debian.mjs';
import { run } from '../run.mjs';
import { say, seconds } from '../say.mjs';

export const CACHE = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'stunmesh');

/**
 * The folder of an npm package's content. npm checks what it fetches against the registry's digest.
 * @param {string} name @param {string} version exact
 */
export function fetchNpm(name, version) {
  const label = `${name.replace(/^@/, '').replace('/', '-')}-${version}`;
  return once(join(CACHE, 'npm', label), `${name}@${version} (npm)`, async (folder) => {
    const packed = await run(
      'npm',
      ['pack', '--silent', '--prefer-offline', '--pack-destination', folder, `${name}@${version}`],
      { cwd: folder },
    );
    if (packed.code !== 0) throw new Error(packed.output.trim());
    const [tarball] = readdirSync(folder);
    if (tarball === undefined) throw new Error('npm pack wrote nothing');
    await mustRun('tar', ['-xzf', tarball, '--strip-components=1'], folder);
    rmSync(join(folder, tarball));
  });
}

/**
 * A folder with Debian packages unpacked side by side (usr/bin and so on).
 * @param {string} label @param {readonly string[]} names @param {readonly string[]} [only] the files that are wanted; default: all
 */
export function fetchDebian(label, names, only = []) {
  return once(join(CACHE, 'debian', label), `${names.join(', ')} (Debian)`, async (folder) => {
    const download = ['download', '-qq', '-o', 'APT::Sandbox::User=root', ...names];
    await refreshPackageLists();
    if ((await run('apt-get', download, { cwd: folder })).code !== 0) {
      // Lists that have aged name files that the mirror has replaced.
      await refreshPackageLists(true);
      await mustRun('apt-get', download, folder);
    }
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
      const unpack = 'set -e; file=$1; shift; dpkg --fsys-tarfile "$file" | tar -xf - "$@"';
      await mustRun('sh', ['-c', unpack, 'sh', file, ...only.map((path) => `./${path}`)], folder);
      rmSync(join(folder, file));
    }
  });
}

/**
 * What `make` puts into a fresh folder, made once for all: a second caller finds the whole or nothing.
 * @param {string} folder @param {string} what @param {(folder: string) => Promise<void>} make
 */
async function once(folder, what, make) {
  if (existsSync(folder)) return folder;
  mkdirSync(join(folder, '..'), { recursive: true });
  const fresh = mkdtempSync(`${folder}.`);
  const began = performance.now();
  say(`fetching ${what} …`);
  try {
    await make(fresh);
    if (!existsSync(folder)) renameSync(fresh, folder);
    say(`  done in ${seconds(performance.now() - began)}`);
  } catch (error) {
    if (!existsSync(folder))
      throw new Error(`${what} could not be fetched: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return folder;
}

/** @param {string} program @param {string[]} args @param {string} cwd */
async function mustRun(program, args, cwd) {
  const { code, output } = await run(program, args, { cwd });
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${output.trim().slice(-1000)}`);
}
