/** The command as one program: core and chosen modules by esbuild, the version and the table of modules written in. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../workspace.mjs';

/** The addon's name beside a program. */
export const ADDON = 'stunmesh_capture.node';
export const STORES = ['file', 'exec', 'redis', 'cloudflare', 'dht'];
const CORE = join(ROOT, 'packages/core');
/** The capture module with the place of its addon, written here. */
const CAPTURE = 'stunmesh:capture';

/** CommonJS parts of the bundle call require() for Node's own modules; ES modules have none. */
const REQUIRE =
  "import { createRequire as stunmeshRequire } from 'node:module';const require = stunmeshRequire(import.meta.url);";

/**
 * @typedef {object} ProgramOptions
 * @property {import('./targets.mjs').Target} target
 * @property {readonly string[]} stores
 * @property {string} addon an expression of JavaScript: the addon's path at run time
 * @property {string} imports statements that the expression needs
 * @property {string} remedy a sentence for the error where the addon does not load
 */

/**
 * The files of the program by their names; `stunmesh.js` is the one to run.
 * @param {ProgramOptions} options
 * @returns {Promise<{ files: Map<string, Uint8Array>, packages: Set<string> }>} and the folders of the packages of others that are in it
 */
export async function buildProgram(options) {
  // A fresh clone has it only once the tools have installed it.
  const { build } = await import('esbuild');
  const outdir = join(ROOT, 'build/program');
  const result = await build({
    entryPoints: { stunmesh: join(CORE, 'dist/cli/main.js') },
    outdir,
    bundle: true,
    // What is not asked for costs nothing.
    splitting: true,
    chunkNames: 'lib/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    // Only there in the program that Bun compiles, which knows what to do with it.
    external: [`../${ADDON}`],
    banner: { js: REQUIRE },
    plugins: [injected(options), namedExports()],
    absWorkingDir: ROOT,
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  const files = new Map(result.outputFiles.map((file) => [relative(outdir, file.path), file.contents]));
  return { files, packages: packagesOf(Object.keys(result.metafile.inputs)) };
}

/** Core's version and its (empty) table of preloaded modules give way to the bundle's. @param {ProgramOptions} options @returns {import('esbuild').Plugin} */
function injected(options) {
  return {
    name: 'injected',
    setup(esbuild) {
      esbuild.onLoad({ filter: /packages\/core\/dist\/version\.js$/ }, () => ({
        contents: `export const VERSION = ${JSON.stringify(version())};`,
      }));
      esbuild.onLoad({ filter: /packages\/core\/dist\/host\/preloaded\.js$/ }, () => ({
        contents: preloaded(options),
        resolveDir: ROOT,
      }));
      esbuild.onResolve({ filter: /^stunmesh:capture$/ }, () => ({ path: CAPTURE, namespace: 'stunmesh' }));
      esbuild.onLoad({ filter: /./, namespace: 'stunmesh' }, () => ({
        contents: captureModule(options),
        resolveDir: ROOT,
      }));
    },
  };
}

/**
 * esbuild gives a CommonJS package that is imported later on a default export alone; this names the others, as Node does.
 * @returns {import('esbuild').Plugin}
 */
function namedExports() {
  return {
    name: 'named-exports',
    setup(esbuild) {
      esbuild.onResolve({ filter: /^[a-z@]/ }, async ({ path, kind, resolveDir, namespace }) => {
        if (
          kind !== 'dynamic-import' ||
          namespace !== 'file' ||
          path.startsWith('node:') ||
          path.startsWith('@stunmesh/')
        )
          return;
        const found = await esbuild.resolve(path, { kind: 'import-statement', resolveDir });
        return found.external || found.errors.length > 0 ? found : { path: found.path, namespace: 'named' };
      });
      esbuild.onLoad({ filter: /./, namespace: 'named' }, async ({ path }) => {
        const names = Object.keys(await import(pathToFileURL(path).href)).filter((name) => /^[\w$]+$/.test(name));
        return {
          contents: `export { ${names.join(', ')} } from ${JSON.stringify(path)};`,
          resolveDir: dirname(path),
        };
      });
    },
  };
}

/** @returns {string} */
export function version() {
  return JSON.parse(readFileSync(join(CORE, 'package.json'), 'utf8')).version;
}

/** On another platform than its own it says so, whichever capture is asked for. @param {ProgramOptions} options */
function preloaded({ target, stores }) {
  const table = stores.map((store) => `'@stunmesh/store-${store}': () => import('@stunmesh/store-${store}'),`);
  return `import { StunmeshError } from '@stunmesh/core/api';
const here = process.platform + '-' + process.arch;
const refuse = async () => {
  throw new StunmeshError('ERR_CAPTURE_PLATFORM', 'this program was made for ${target.name}, and this is ' + here + '; take the one that was made for it');
};
export const PRELOADED = {
  ${table.join('\n  ')}
  ...(here === '${target.platform}-${target.arch}'
    ? { '@stunmesh/${target.capture}': () => import('${CAPTURE}') }
    : { '@stunmesh/capture-linux': refuse, '@stunmesh/capture-bsd': refuse }),
};`;
}

/** A file of its own in lib/, so that the addon's place beside it is known. @param {ProgramOptions} options */
function captureModule({ target, addon, imports, remedy }) {
  return `${imports}
import { createCapture } from '@stunmesh/${target.capture}';
export default createCapture({ addonPath: ${addon}, addonRemedy: ${JSON.stringify(remedy)} });`;
}

/** @param {string[]} inputs */
function packagesOf(inputs) {
  const files = inputs.map((path) => resolve(ROOT, path.replace(/^named:/, '')));
  const found = files.map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path)?.[1]);
  return new Set(found.filter((path) => path !== undefined));
}

/** The licences of the packages of others, one after the other. @param {Iterable<string>} folders @param {readonly string[]} stores */
export function licences(folders, stores) {
  /** @type {Map<string, string>} */
  const told = new Map();
  for (const folder of folders) {
    const { name, version: release, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
    told.set(`${name}@${release}`, `${name} ${release} (${license})\n${text}`);
  }
  const sdk = join(ROOT, 'packages/store-cloudflare/build/sdk.LICENSE');
  if (stores.includes('cloudflare'))
    told.set('cloudflare', `cloudflare (Apache-2.0), parts\n\n${readFileSync(sdk, 'utf8').trim()}\n`);
  const rule = `\n${'-'.repeat(72)}\n\n`;
  return [...told.keys()]
    .sort()
    .map((key) => told.get(key))
    .join(rule);
}
