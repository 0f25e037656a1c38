/**
 * Writes build/validators.js and what it loads: the schemas of the configuration and of the workspace's stores, compiled ahead of time. Compiling them at
 * start costs the daemon 12 MiB and 0.14 s of processor time; a schema that is not found here is compiled then.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { _, Ajv } from 'ajv';
import { build } from 'esbuild';

const here = import.meta.dirname;
const folder = path.join(here, 'build');
const standalone = createRequire(import.meta.url)('ajv/dist/standalone').default;

/** Built modules; a package that is not compiled yet is left to ajv. @param {string} file */
const load = async (file) => (existsSync(file) ? import(file) : undefined);

const { CONFIG_SCHEMA } = await import('./dist/config/schema.js');
const { AJV_OPTIONS, addFormats, digestOf } = await import('./dist/config/compile.js');
const packages = path.join(here, '..');
const stores = readdirSync(packages).filter((name) => name.startsWith('store-'));
const modules = await Promise.all(stores.map((name) => load(path.join(packages, name, 'dist/index.js'))));
const schemas = [CONFIG_SCHEMA, ...modules.flatMap((module) => module?.default.configSchema ?? [])];

const index = [];
for (const schema of schemas) {
  const { $schema: _schema, ...body } = schema;
  const ajv = new Ajv({ ...AJV_OPTIONS, code: { source: true, formats: _`FORMATS` } });
  addFormats(ajv);
  const digest = digestOf(schema);
  const name = `validator-${digest.slice(0, 16)}.js`;
  await write(name, standalone(ajv, ajv.compile(body)));
  index.push(`  '${digest}': () => import('./${name}'),`);
}
replace('validators.js', `/** Made by precompile.mjs. */\nexport default {\n${index.join('\n')}\n};\n`);

/** @param {string} name @param {string} code CommonJS, with FORMATS free */
async function write(name, code) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: here },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    banner: {
      js: "/** Made by precompile.mjs. */\nimport { AJV_FORMATS as FORMATS } from '../dist/config/compile.js';",
    },
    write: false,
    logLevel: 'warning',
  });
  replace(name, outputFiles[0].text);
}

/** Renamed into place: what starts meanwhile loads the old one or the new one. @param {string} name @param {string} text */
function replace(name, text) {
  const file = path.join(folder, name);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  mkdirSync(folder, { recursive: true });
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, text);
  renameSync(fresh, file);
}
