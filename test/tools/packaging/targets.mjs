/** The platforms that bundles, prebuilds and executables are made for. */
import process from 'node:process';

/**
 * `name` is what users write, `capture` the package that serves it, `bun` the npm package with Bun for it (absent: there is none).
 * @typedef {{ name: string, platform: NodeJS.Platform, arch: string, libc?: 'glibc' | 'musl', capture: 'capture-linux' | 'capture-bsd', bun?: string }} Target
 */

/** @param {string} arch @param {'glibc' | 'musl'} libc @param {string} [bun] @returns {Target} */
function linux(arch, libc, bun) {
  const name = `linux-${arch}${libc === 'musl' ? '-musl' : ''}`;
  return { name, platform: 'linux', arch, libc, capture: 'capture-linux', ...(bun === undefined ? {} : { bun }) };
}

/** @param {'freebsd' | 'darwin'} platform @param {string} arch @param {string} bun @returns {Target} */
function bsd(platform, arch, bun) {
  return { name: `${platform}-${arch}`, platform, arch, capture: 'capture-bsd', bun };
}

export const TARGETS = [
  linux('x64', 'glibc', 'bun-linux-x64'),
  linux('x64', 'musl', 'bun-linux-x64-musl'),
  linux('arm64', 'glibc', 'bun-linux-aarch64'),
  linux('arm64', 'musl', 'bun-linux-aarch64-musl'),
  linux('arm', 'glibc'),
  bsd('freebsd', 'x64', 'bun-freebsd-x64'),
  bsd('freebsd', 'arm64', 'bun-freebsd-aarch64'),
  bsd('darwin', 'x64', 'bun-darwin-x64'),
  bsd('darwin', 'arm64', 'bun-darwin-aarch64'),
];

/** The target of this machine; undefined where there is none. */
export function ownTarget() {
  const musl = process.platform === 'linux' && !glibcVersion();
  return TARGETS.find(
    ({ platform, arch, libc }) =>
      platform === process.platform && arch === process.arch && (libc === undefined || (libc === 'musl') === musl),
  );
}

/** @param {string} name @returns {Target} */
export function targetOf(name) {
  const found = TARGETS.find((target) => target.name === name);
  if (!found)
    throw new Error(`there is no platform "${name}"; allowed: ${TARGETS.map((target) => target.name).join(', ')}`);
  return found;
}

/** @returns {string | undefined} */
function glibcVersion() {
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return report.header?.glibcVersionRuntime;
}
