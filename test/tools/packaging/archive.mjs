/** Writes the archive that an administrator of FreeBSD, OPNsense or pfSense unpacks: bundle, service, manual, install script, checksums. */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import process from 'node:process';
import { run } from '../run.mjs';
import { writeBundle } from './bundle.mjs';
import { fetchBun } from './executable.mjs';
import { STORES, version } from './program.mjs';
import { targetOf } from './targets.mjs';

export const ARCHIVED = [targetOf('freebsd-x64'), targetOf('freebsd-arm64')];
/** What install.sh and its companions are made from. */
const TEMPLATES = join(import.meta.dirname, 'freebsd');

/**
 * Writes stunmesh-VERSION-PLATFORM.tar.gz and its checksum beside it.
 * @param {{ target: import('./targets.mjs').Target, out: string, withBun: boolean }} options `out` is an absolute folder; `withBun`: with
 *   the runtime inside
 * @returns {Promise<string>} the archive's path
 */
export async function writeArchive({ target, out, withBun }) {
  const name = `stunmesh-${version()}-${target.name}`;
  const work = mkdtempSync(join(tmpdir(), 'archive-'));
  try {
    const folder = join(work, name);
    await writeBundle({ target, stores: STORES, out: join(folder, 'stunmesh') });
    const services = join(folder, 'stunmesh/service');
    for (const other of readdirSync(services).filter((system) => system !== 'freebsd'))
      rmSync(join(services, other), { recursive: true });
    for (const template of readdirSync(TEMPLATES)) {
      const text = readFileSync(join(TEMPLATES, template), 'utf8')
        .replaceAll('@VERSION@', version())
        .replaceAll('@PLATFORM@', target.name)
        .replaceAll('@ARCH@', target.arch);
      writeFileSync(join(folder, template), text, { mode: template.endsWith('.sh') ? 0o755 : 0o644 });
    }
    if (withBun) copyFileSync(await fetchBun(target), join(folder, 'bun'));
    writeFileSync(join(folder, 'SHA256SUMS'), checksums(folder));
    const file = join(work, `${name}.tar.gz`);
    // The same content gives the same archive, whoever makes it.
    const plain = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--format=ustar'];
    const { code, output } = await run('tar', ['-czf', file, ...plain, '-C', work, name], {
      env: { ...process.env, GZIP: '-n' },
    });
    if (code !== 0) throw new Error(`tar ended with ${code}: ${output.trim()}`);
    const sums = join(work, `${name}.tar.gz.sha256`);
    writeFileSync(sums, `${digest(file)}  ${name}.tar.gz\n`);
    mkdirSync(out, { recursive: true });
    moved(sums, out);
    return moved(file, out);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A line a file, as sha256sum(1) writes it; install.sh reads it. @param {string} folder */
function checksums(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort()
    .map((path) => `${digest(join(folder, path))}  ${path}\n`)
    .join('');
}

/** @param {string} file */
function digest(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Copied beside and renamed: `out` may lie on another file system. @param {string} file @param {string} out */
function moved(file, out) {
  const place = join(out, basename(file));
  copyFileSync(file, `${place}.${process.pid}`);
  renameSync(`${place}.${process.pid}`, place);
  return place;
}
