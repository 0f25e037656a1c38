/** npm packages, compiled TypeScript and the native addon: brought up to date only where something changed. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import process from 'node:process';
import { run } from './run.mjs';
import { say, seconds } from './say.mjs';

export const ROOT = resolve(import.meta.dirname, '../..');
export const PNPM = 'pnpm@10.34.9';
const STAMP = join(ROOT, 'node_modules/.stunmesh-installed');

/** Folders of TypeScript sources and where each is compiled to. */
const COMPILED = [
  ...readdirSync(join(ROOT, 'packages')).flatMap((name) => [
    { source: `packages/${name}/src`, output: `packages/${name}/dist` },
    { source: `packages/${name}/test`, output: `packages/${name}/dist-test` },
  ]),
  { source: 'test', output: 'test/dist' },
];

/** The lock file and every manifest: when one changes, pnpm has to run again. */
function manifestDigest() {
  const hash = createHash('sha256');
  const manifests = readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}/package.json`);
  for (const path of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...manifests])
    if (existsSync(join(ROOT, path))) hash.update(path).update(readFileSync(join(ROOT, path)));
  return hash.digest('hex');
}

/** Runs pnpm unless node_modules is what the lock file says. Throws with pnpm's output when it fails. */
export async function installPackages() {
  const digest = manifestDigest();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === digest) return;
  say('installing npm packages (pnpm, as pnpm-lock.yaml says) …');
  const result = await run('npx', ['-y', PNPM, 'install', '--frozen-lockfile', '--prefer-offline'], {
    cwd: ROOT,
    env: { ...process.env, CI: 'true', npm_config_loglevel: 'error', npm_config_update_notifier: 'false' },
  });
  if (result.code !== 0) throw new Error(`pnpm install failed:\n${result.output.trim()}`);
  writeFileSync(STAMP, digest);
  say(`  done in ${seconds(result.ms)}`);
}

/** Removes what was compiled from a source that is gone: it would still be imported, or run as a test. */
export function removeStale() {
  const removed = [];
  for (const { source, output } of COMPILED) {
    const folder = join(ROOT, output);
    if (!existsSync(folder)) continue;
    for (const path of filesBelow(folder)) {
      const stem = /^(.*)\.(js|js\.map|d\.ts|d\.ts\.map)$/.exec(relative(folder, path))?.[1];
      if (stem === undefined || existsSync(join(ROOT, source, `${stem}.ts`))) continue;
      rmSync(path);
      if (path.endsWith('.js')) removed.push(relative(ROOT, path));
    }
  }
  return removed;
}

/**
 * Compiles everything. Type errors do not stop the emit, so the caller decides whether to go on.
 * @returns {Promise<{ types: import('./run.mjs').Ended, native: import('./run.mjs').Ended, bundle: import('./run.mjs').Ended }>}
 */
export async function build() {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const cold = !existsSync(join(ROOT, 'packages/core/dist/api/index.js'));
  if (cold) say('compiling …');
  removeStale();
  const types = await run(process.execPath, [tsc, '-b', '--pretty', 'false'], { cwd: ROOT });
  const native = await buildAddons();
  // Made from what tsc has just written; the validators are made from the stores as they will run, bundled SDK and all.
  const inPackage = (/** @type {string} */ name, /** @type {string} */ script) =>
    run(process.execPath, [script], { cwd: join(ROOT, 'packages', name) });
  const made = [await inPackage('store-cloudflare', 'bundle.mjs')];
  made.push(
    ...(await Promise.all([
      inPackage('core', 'precompile.mjs'),
      inPackage('core', 'manual.mjs'),
      inPackage('core', 'error-texts.mjs'),
      inPackage('core', 'page/build.mjs'),
    ])),
  );
  const bundle = made.find(({ code }) => code !== 0) ?? {
    code: 0,
    output: '',
    ms: made.reduce((sum, { ms }) => sum + ms, 0),
  };
  if (cold) say(`  done in ${seconds(types.ms + native.ms + bundle.ms)}`);
  return { types, native, bundle };
}

/** Both addons; the first that fails is what is reported. */
async function buildAddons() {
  let last = { code: 0, output: '', ms: 0 };
  for (const name of ['capture-linux', 'capture-bsd']) {
    const { ms } = last;
    last = await run(process.execPath, ['native/build.mjs', '--strict'], { cwd: join(ROOT, 'packages', name) });
    last.ms += ms;
    if (last.code !== 0) break;
  }
  return last;
}

/**
 * All test sources below packages/NAME/test and test/, each with its compiled file; both relative to the root.
 * @returns {{ source: string, compiled: string }[]}
 */
export function testFiles() {
  return COMPILED.filter(({ output }) => !output.endsWith('/dist') || output === 'test/dist')
    .flatMap(({ source, output }) => {
      const folder = join(ROOT, source);
      if (!existsSync(folder)) return [];
      return filesBelow(folder)
        .filter((path) => path.endsWith('.test.ts'))
        .map((path) => ({
          source: relative(ROOT, path),
          compiled: join(output, relative(folder, path).replace(/\.ts$/, '.js')),
        }));
    })
    .sort((a, b) => (a.source < b.source ? -1 : 1));
}

/** @param {string} folder @returns {string[]} */
function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'dist') return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
  });
}
