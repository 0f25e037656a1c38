import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isStunmeshError, type StoreComponents, type StoreModule, StunmeshError } from '#src/api/index.js';
import { type LoadedConfig, loadConfig } from '#src/config/index.js';
import type { PluginConfig } from '#src/host/plugin-config.js';
import { createPluginHost } from '#src/host/plugin-host.js';
import { createSystemClock } from '#src/runtime/system-clock.js';
import { createMemoryLogger } from '#src/testing/memory-logger.js';
import { createMemoryStore } from '#src/testing/memory-store.js';

const free = { signal: new AbortController().signal };
const KEY = 'a'.repeat(40);

/** A host with one module "probe" that keeps the config it was opened with. */
function hostWith(module: Partial<StoreModule>, loaded?: Pick<LoadedConfig, 'explain' | 'checkSettings'>) {
  const seen: { config?: unknown } = {};
  const probe: StoreModule = {
    kind: 'store',
    apiVersion: 1,
    name: 'probe',
    configSchema: {},
    traits: () => ({ maxValueBytes: 255, minPollMs: 1000 }),
    async open(config) {
      seen.config = config;
      return createMemoryStore();
    },
    ...module,
  };
  const host = createPluginHost({
    clock: createSystemClock(),
    logger: createMemoryLogger(),
    configDir: tmpdir(),
    secretVariables: ['TOKEN'],
    preloaded: { '@stunmesh/store-probe': async () => probe, '@stunmesh/store-exec': async () => probe },
    explain: (path) => `config.yaml:7:${path.length}: ${path.join('.')}`,
    ...loaded,
  });
  return { host, seen };
}

const plugin = (settings: Record<string, unknown>, type: PluginConfig['type'] = 'builtin'): PluginConfig => ({
  name: 'mine',
  type,
  module: 'probe',
  timeoutMs: 1000,
  settings,
});

const failure = (promise: Promise<unknown>): Promise<StunmeshError> =>
  promise.then(
    () => assert.fail('resolved'),
    (error: unknown) => {
      assert.ok(isStunmeshError(error), String(error));
      return error;
    },
  );

const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: { type: 'string', minLength: 1 },
    token: { type: 'string' },
    retries: { type: 'integer', default: 3 },
    tls: { type: 'boolean' },
    mode: { enum: ['fast', 'safe'] },
    args: { type: 'array', items: { type: 'string' } },
    max_age: { type: 'number' },
  },
};

test('a configured file store is opened from its package and keeps a record', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'host-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  const host = createPluginHost({ clock: createSystemClock(), logger: createMemoryLogger(), configDir: '/' });
  const store = await host.openStore({
    name: 'files',
    type: 'builtin',
    module: 'file',
    timeoutMs: 1000,
    settings: { path },
  });
  t.after(() => store.close());
  await store.set(KEY, 'abcd', free);
  assert.equal(await store.get(KEY, free), 'abcd');
  assert.equal(await readFile(join(path, KEY), 'utf8'), 'abcd');
  assert.deepEqual(store.traits, { maxValueBytes: 65_536, minPollMs: 500 });
  const relative = await failure(
    host.openStore({ name: 'files', type: 'builtin', module: 'file', timeoutMs: 1000, settings: { path: 'here' } }),
  );
  assert.equal(relative.code, 'ERR_CONFIG_INVALID');
  assert.match(relative.message, /plugin "files".*absolute/);
});

test('F40 quoted scalars become the types of the schema where the configuration file is at hand', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'host-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'config.yaml');
  const text =
    'plugins:\n  mine:\n    type: builtin\n    name: probe\n    URL: "http://x"\n    tls: "true"\n    max_age: "7"\n';
  await writeFile(file, text);
  const loaded = await loadConfig({ file, env: {}, cwd: folder });
  const mine = loaded.config.plugins.get('mine');
  assert.ok(mine);
  const { host, seen } = hostWith({ configSchema: SCHEMA }, loaded);
  await host.openStore(mine);
  assert.deepEqual(seen.config, { url: 'http://x', tls: true, max_age: 7, retries: 3 });

  await writeFile(file, `${text}    mode: hasty\n`);
  const wrong = await loadConfig({ file, env: {}, cwd: folder });
  const error = await failure(hostWith({ configSchema: SCHEMA }, wrong).host.openStore(mine));
  assert.match(error.message, /config\.yaml:8:11: plugins\.mine\.mode: .*fast, safe/);
});

test('F40 each mistake is told with its place, its path and what is allowed; F34 secrets are not quoted', async () => {
  const { host } = hostWith({ configSchema: SCHEMA });
  const settings = { tokn: 'hunter2', retries: 'many', mode: 'fats', args: 'x', token: ['hunter2', 'x'] };
  const error = await failure(host.openStore(plugin(settings)));
  assert.equal(error.code, 'ERR_CONFIG_INVALID');
  const lines = error.message.split('\n');
  const has = (pattern: RegExp) =>
    assert.ok(
      lines.some((line) => pattern.test(line)),
      `${pattern} in\n${error.message}`,
    );
  has(/^config\.yaml:7:3: plugins\.mine\.url: missing/);
  has(/^config\.yaml:7:3: plugins\.mine\.tokn: unknown key; .*url, token, retries.*did you mean "token"/);
  has(/plugins\.mine\.retries: .*whole number/);
  has(/plugins\.mine\.mode: .*fast, safe; did you mean "fast"/);
  has(/plugins\.mine\.args: .*a list/);
  assert.ok(!error.message.includes('hunter2'), error.message);
});

test('a schema that is none, and an open that fails, name the plugin', async () => {
  const bad = await failure(hostWith({ configSchema: { type: 'nonsense' } }).host.openStore(plugin({})));
  assert.equal(bad.code, 'ERR_PLUGIN_INVALID');
  const { host } = hostWith({
    open: async () => {
      throw new StunmeshError('ERR_CONFIG_INVALID', 'the zone has no name');
    },
  });
  const error = await failure(host.openStore(plugin({})));
  assert.equal(error.code, 'ERR_CONFIG_INVALID');
  assert.equal(error.message, 'config.yaml:7:2: plugins.mine: the zone has no name');
  const foreign = hostWith({
    traits: () => {
      throw new TypeError('x is not a function');
    },
  });
  assert.equal((await failure(foreign.host.openStore(plugin({})))).code, 'ERR_STORE_INTERNAL');
});

test('exec and shell plugins learn their type', async () => {
  const { host, seen } = hostWith({});
  await host.openStore(plugin({ command: '/bin/true' }, 'shell'));
  assert.deepEqual(seen.config, { command: '/bin/true', type: 'shell' });
});

test('F32 a store whose first call fails is opened all the same', async () => {
  const { host } = hostWith({
    open: async () =>
      Object.assign(createMemoryStore(), {
        failure: new StunmeshError('ERR_STORE_UNAVAILABLE', 'nobody listens'),
      }),
  });
  const store = await host.openStore(plugin({}));
  const error = await failure(store.get(KEY, free));
  assert.equal(error.retry, 'later');
  await store.close();
});

test('configured exec and shell plugins run behind the guard, and their failures name store, call and program', async (t) => {
  const records = await mkdtemp(join(tmpdir(), 'host-'));
  t.after(() => rm(records, { recursive: true, force: true }));
  const host = createPluginHost({ clock: createSystemClock(), logger: createMemoryLogger(), configDir: '/' });
  const open = async (type: 'exec' | 'shell', settings: Record<string, unknown>, timeoutMs = 5000) => {
    const store = await host.openStore({ name: 'mine', type, timeoutMs, settings });
    t.after(() => store.close());
    return store;
  };
  const folder = new URL('../../../store-exec/examples/', import.meta.url).pathname;
  for (const [type, name] of [
    ['shell', 'folder-store.sh'],
    ['exec', 'folder_store.py'],
  ] as const) {
    const store = await open(type, { command: join(folder, name), args: [records], env: {}, env_clear: false });
    const keys = Array.from({ length: 20 }, (_, i) => i.toString(16).padStart(40, '0'));
    assert.equal((await store.setMany(new Map(keys.map((key) => [key, key])), free)).size, 0);
    assert.deepEqual([...(await store.getMany(keys, free)).values()].sort(), keys);
    assert.equal(await store.get(KEY, free), undefined);
  }
  const broken = await open('shell', { command: '/bin/sh', args: ['-c', 'echo no luck >&2; exit 3'] });
  const error = await failure(broken.get(KEY, free));
  assert.ok(error.message.startsWith(`store "mine": get ${KEY}: /bin/sh: exited with status 3: no luck; or the peer`));
  const hung = await open('exec', { command: 'sleep', args: ['30'] }, 200);
  assert.equal((await failure(hung.get(KEY, free))).code, 'ERR_DEADLINE');
  const refused = await failure(host.openStore({ name: 'mine', type: 'exec', timeoutMs: 1, settings: { args: 'x' } }));
  assert.equal(refused.code, 'ERR_CONFIG_INVALID');
  assert.match(refused.message, /plugins\.mine\.command: missing/);
});

test('a store gets the secrets of its module, and a folder of its instance', async () => {
  const seen: StoreComponents[] = [];
  const module: StoreModule = {
    kind: 'store',
    apiVersion: 1,
    name: 'probe',
    configSchema: {},
    traits: () => ({ maxValueBytes: 255, minPollMs: 1000 }),
    async open(_config, components) {
      seen.push(components);
      return createMemoryStore();
    },
  };
  const host = createPluginHost({
    clock: createSystemClock(),
    logger: createMemoryLogger(),
    preloaded: { '@stunmesh/store-probe': async () => module },
    secretFor: (name, key) => Uint8Array.from(Buffer.from(`${name} ${key}`)),
    stateFolder: async (store) => `/state/${store}`,
    network: { resolve: async (name) => [name] },
  });
  await (await host.openStore(plugin({}))).close();
  const [components] = seen;
  assert.equal(Buffer.from(components?.secretFor?.(KEY) ?? '').toString(), `probe ${KEY}`);
  assert.equal(await components?.stateFolder?.(), '/state/mine');
  assert.deepEqual(await components?.resolve?.('192.0.2.1', free.signal), ['192.0.2.1']);
});

test('F70 the bare program of an exec plugin is opened with what its store gets; other kinds have none', async () => {
  const given: { readonly config: object; readonly components: StoreComponents }[] = [];
  const bare = { async [Symbol.asyncDispose]() {} };
  const module = {
    async open(config: object, components: StoreComponents) {
      given.push({ config, components });
      return createMemoryStore();
    },
    probe(config: object, components: StoreComponents) {
      given.push({ config, components });
      return bare;
    },
  };
  const { host } = hostWith(module);
  const exec = plugin({ command: '/bin/true' }, 'exec');
  await (await host.openStore(exec)).close();
  assert.equal(await host.openProbe(exec), bare);
  const [store, probe] = given;
  assert.deepEqual(probe?.config, store?.config);
  assert.deepEqual(Object.keys(probe?.components ?? {}), Object.keys(store?.components ?? {}));
  assert.deepEqual(probe?.components.secretVariables, ['TOKEN']);
  assert.equal(await host.openProbe(plugin({ command: '/bin/true' }, 'shell')), undefined);
  assert.equal(given.length, 2);
});
