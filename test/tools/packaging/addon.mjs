/** Finds the addon of a target: its prebuild, or for this machine what npm test has built. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../workspace.mjs';
import { ownTarget } from './targets.mjs';

/** The file's name before its ending, in build/ and in prebuilds/. */
const ADDON_NAMES = { 'capture-linux': 'stunmesh_capture', 'capture-bsd': 'stunmesh_capture_bsd' };

/** Where the prebuild of a target lies, whether it has been made or not. @param {import('./targets.mjs').Target} target */
export function prebuildPath(target) {
  const name = `${ADDON_NAMES[target.capture]}${target.libc === undefined ? '' : `.${target.libc}`}.node`;
  return join(ROOT, 'packages', target.capture, 'prebuilds', `${target.platform}-${target.arch}`, name);
}

/** What a package's addon is compiled from, the headers in core included. @param {string} capture */
export function nativeSources(capture) {
  const folders = [join(ROOT, 'packages', capture, 'native'), join(ROOT, 'packages/core/native')];
  return folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.[ch]$/.test(name))
      .map((name) => join(folder, name)),
  );
}

/** Whether `file` is there and no source of it is newer. @param {string} file @param {string} capture */
export function isFresh(file, capture) {
  if (!existsSync(file)) return false;
  const made = statSync(file).mtimeMs;
  return nativeSources(capture).every((source) => statSync(source).mtimeMs <= made);
}

/** @param {import('./targets.mjs').Target} target @returns {string} */
export function findAddon(target) {
  const built = join(ROOT, 'packages', target.capture, 'build/Release', `${ADDON_NAMES[target.capture]}.node`);
  const candidates = [prebuildPath(target), ...(target === ownTarget() ? [built] : [])];
  const found = candidates.find((file) => isFresh(file, target.capture));
  if (found !== undefined) return found;
  throw new Error(
    `there is no addon of @stunmesh/${target.capture} for ${target.name}; run: npm run prebuild -- ${target.name}`,
  );
}
