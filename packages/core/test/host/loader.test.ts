import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isStunmeshError, type StunmeshError } from '#src/api/index.js';
import { createLoader } from '#src/host/loader.js';
import { createMemoryStoreModule } from '#src/testing/memory-store.js';

const STORE = `export default { kind: 'store', apiVersion: 1, name: 'x', configSchema: {}, traits: () => ({}), open: async () => ({}) };`;
const CAPTURE = `export default { kind: 'capture', apiVersion: 1, name: 'c', platforms: ['linux'], openStunSocket() {},
  openEchoSocket() {}, listInterfaces() {}, watchNetwork() {} };`;

async function scratch(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'loader-')));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function install(folder: string, name: string, code: string, manifest: object = { exports: './index.mjs' }) {
  const at = join(folder, 'node_modules', name);
  await mkdir(at, { recursive: true });
  await writeFile(join(at, 'package.json'), JSON.stringify({ name, ...manifest }));
  await writeFile(join(at, 'index.mjs'), code);
}

const failure = (promise: Promise<unknown>): Promise<StunmeshError> =>
  promise.then(
    () => assert.fail('resolved'),
    (error: unknown) => {
      assert.ok(isStunmeshError(error), String(error));
      return error;
    },
  );

const builtin = (module: string) => ({ name: 'mine', type: 'builtin' as const, module });

test('a preloaded module comes first, and is loaded only when asked for', async (t) => {
  const configDir = await scratch(t);
  await install(configDir, '@stunmesh/store-memory', STORE);
  let loads = 0;
  const preloaded = {
    '@stunmesh/store-memory': async () => {
      loads += 1;
      return { default: createMemoryStoreModule() };
    },
  };
  const loader = createLoader({ configDir, preloaded });
  assert.equal(loads, 0);
  assert.equal((await loader.loadStore(builtin('memory'))).name, 'memory');
  assert.equal(loads, 1);
});

test('a short name finds @stunmesh/store-NAME beside core', async (t) => {
  const loader = createLoader({ configDir: await scratch(t) });
  assert.equal((await loader.loadStore(builtin('file'))).name, 'file');
});

test('exec and shell are served by @stunmesh/store-exec', async (t) => {
  const preloaded = { '@stunmesh/store-exec': async () => ({ default: createMemoryStoreModule() }) };
  const loader = createLoader({ configDir: await scratch(t), preloaded });
  for (const type of ['exec', 'shell'] as const)
    assert.equal((await loader.loadStore({ name: 'p', type })).name, 'memory');
});

test('packages are found beside the configuration file and in the folders above it, by short name, name and path', async (t) => {
  const base = await scratch(t);
  const configDir = join(base, 'etc', 'stunmesh');
  await mkdir(configDir, { recursive: true });
  await install(configDir, '@stunmesh/store-near', STORE.replace("'x'", "'near'"));
  await install(base, 'far-store', STORE.replace("'x'", "'far'"), { exports: { import: './index.mjs' } });
  await install(base, '@acme/deep', STORE.replace("'x'", "'deep'"), {
    exports: { '.': { require: './no.cjs', default: './index.mjs' } },
  });
  await install(base, 'old-main', STORE.replace("'x'", "'main'"), { main: 'index.mjs' });
  await writeFile(join(base, 'store.mjs'), STORE.replace("'x'", "'path'"));
  const loader = createLoader({ configDir });
  for (const [module, name] of [
    ['near', 'near'],
    ['far-store', 'far'],
    ['@acme/deep', 'deep'],
    ['old-main', 'main'],
    [join(base, 'store.mjs'), 'path'],
  ] as const)
    assert.equal((await loader.loadStore(builtin(module))).name, name);
});

test('the working directory is never searched', async (t) => {
  const cwd = await scratch(t);
  await install(cwd, '@stunmesh/store-here', STORE);
  const loader = createLoader({ configDir: dirname(await scratch(t)) });
  const before = process.cwd();
  process.chdir(cwd);
  try {
    assert.equal((await failure(loader.loadStore(builtin('here')))).code, 'ERR_PLUGIN_NOT_FOUND');
    for (const module of [
      './node_modules/@stunmesh/store-here/index.mjs',
      '../x',
      'fs/promises',
      'node:fs',
      '',
      'data:text/javascript,1',
    ]) {
      const error = await failure(loader.loadStore(builtin(module)));
      assert.equal(error.code, 'ERR_PLUGIN_NOT_FOUND', module);
    }
  } finally {
    process.chdir(before);
  }
});

test('a missing package is named with the command that installs it', async (t) => {
  const configDir = await scratch(t);
  const loader = createLoader({ configDir });
  const error = await failure(loader.loadStore(builtin('nowhere')));
  assert.equal(error.code, 'ERR_PLUGIN_NOT_FOUND');
  assert.ok(error.message.startsWith('plugin "mine": '), error.message);
  assert.ok(error.message.includes('npm install --global @stunmesh/store-nowhere'), error.message);
  assert.ok(error.message.includes(`npm install --prefix ${configDir} @stunmesh/store-nowhere`), error.message);
  const missing = await failure(loader.loadStore(builtin('/no/such/file.mjs')));
  assert.equal(missing.code, 'ERR_PLUGIN_NOT_FOUND');
  assert.ok(missing.message.includes('/no/such/file.mjs'));
});

test('a module of the wrong kind, version or shape is refused with what was found and what is wanted', async (t) => {
  const base = await scratch(t);
  const cases: readonly (readonly [string, RegExp])[] = [
    ['export const x = 1;', /no member "kind"; wanted kind "store"/],
    [CAPTURE, /found kind "capture", wanted "store"/],
    [STORE.replace('apiVersion: 1', 'apiVersion: 2'), /found apiVersion 2, wanted 1; update stunmesh/],
    [STORE.replace('apiVersion: 1,', ''), /found apiVersion undefined, wanted 1/],
    [STORE.replace(', open: async () => ({})', ''), /found no member "open", wanted a function/],
    [STORE.replace('configSchema: {}', 'configSchema: null'), /found a null as member "configSchema", wanted a object/],
    ['export default {;', /could not be loaded/],
    ["import 'not-installed-anywhere'; export default {}", /could not be loaded: .*not-installed-anywhere/],
    ['throw new Error("at load\\n time")', /could not be loaded: at load time/],
  ];
  const loader = createLoader({ configDir: base });
  for (const [index, [code, expected]] of cases.entries()) {
    const file = join(base, `m${index}.mjs`);
    await writeFile(file, code);
    const error = await failure(loader.loadStore(builtin(file)));
    assert.match(error.message, expected);
    assert.ok(error.message.includes(file), error.message);
    assert.equal(error.code, 'ERR_PLUGIN_INVALID', error.message);
  }
});

test('a CommonJS module and a broken package.json', async (t) => {
  const base = await scratch(t);
  await writeFile(join(base, 'm.cjs'), STORE.replace('export default', 'module.exports ='));
  const loader = createLoader({ configDir: base });
  assert.equal((await loader.loadStore(builtin(join(base, 'm.cjs')))).name, 'x');
  await install(base, 'broken', STORE);
  await writeFile(join(base, 'node_modules/broken/package.json'), '{');
  assert.equal((await failure(loader.loadStore(builtin('broken')))).code, 'ERR_PLUGIN_INVALID');
});

test('capture: auto follows the platform, linux and bsd name packages, a package or path names itself', async (t) => {
  const configDir = await scratch(t);
  const asked: string[] = [];
  const fake = (name: string, platforms: readonly string[]) => async () => {
    asked.push(name);
    const nothing = () => {};
    return {
      default: {
        kind: 'capture',
        apiVersion: 1,
        name,
        platforms,
        openStunSocket: nothing,
        openEchoSocket: nothing,
        listInterfaces: nothing,
        watchNetwork: nothing,
      },
    };
  };
  const preloaded = {
    '@stunmesh/capture-linux': fake('linux', ['linux']),
    '@stunmesh/capture-bsd': fake('bsd', ['freebsd', 'darwin']),
    '@acme/capture': fake('acme', ['linux']),
  };
  const on = (platform: NodeJS.Platform) => createLoader({ configDir, preloaded, platform });
  assert.equal((await on('linux').loadCapture('auto')).name, 'linux');
  assert.equal((await on('freebsd').loadCapture('auto')).name, 'bsd');
  assert.equal((await on('darwin').loadCapture('auto')).name, 'bsd');
  assert.equal((await on('linux').loadCapture('linux')).name, 'linux');
  assert.equal((await on('linux').loadCapture('@acme/capture')).name, 'acme');
  const file = join(configDir, 'c.mjs');
  await writeFile(file, CAPTURE);
  assert.equal((await on('linux').loadCapture(file)).name, 'c');

  assert.equal((await failure(on('win32').loadCapture('auto'))).code, 'ERR_CAPTURE_PLATFORM');
  const wrong = await failure(on('linux').loadCapture('bsd'));
  assert.equal(wrong.code, 'ERR_CAPTURE_PLATFORM');
  assert.match(wrong.message, /freebsd, darwin.*linux.*auto/);
  assert.equal((await failure(on('linux').loadCapture('./c.mjs'))).code, 'ERR_PLUGIN_NOT_FOUND');
  const none = await failure(createLoader({ configDir, platform: 'linux' }).loadCapture('@acme/absent'));
  assert.match(none.message, /npm install --global @acme\/absent/);
});
