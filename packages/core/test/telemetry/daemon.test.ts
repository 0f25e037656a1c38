/** A whole daemon over a fake capture: nothing of metrics is loaded until asked for, and a reload turns them on, on the air and off. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '#src/config/index.js';
import { startDaemon } from '#src/daemon/daemon.js';
import { createFakeCapture, createMemoryLogger, createMemoryStore, createSystemClock } from '#src/testing/index.js';

const require = createRequire(import.meta.url);
/** Modules in this process, which the runner gives to this file alone. */
const hasLoaded = (part: RegExp) => Object.keys(require.cache).some((path) => part.test(path));
const PROM = /node_modules\/prom-client\//;
/** Whether Node's own HTTP is loaded; the runner may have done so before us. */
const hasHttp = () =>
  (process as unknown as { readonly moduleLoadList: readonly string[] }).moduleLoadList.includes('NativeModule http');
const hadHttp = hasHttp();

async function open(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-metrics-'));
  const load = async (extra: Record<string, unknown>) => {
    const config = {
      stun: { addresses: ['stun.example:3478'] },
      run_dir: join(dir, 'run'),
      state_dir: join(dir, 'state'),
      capture: '@test/capture',
      plugins: { main: { type: 'builtin', name: '@test/store' } },
      interfaces: {
        'stunm-none': {
          peers: { b: { public_key: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=', plugin: 'main' } },
        },
      },
      ...extra,
    };
    await writeFile(join(dir, 'config.yaml'), JSON.stringify(config));
    return loadConfig({ dir, env: {}, cwd: dir });
  };
  const capture = { ...createFakeCapture(), name: '@test/capture' };
  const store = {
    kind: 'store',
    apiVersion: 1,
    name: '@test/store',
    configSchema: { type: 'object' },
    traits: () => ({ maxValueBytes: 1_000, minPollMs: 1_000 }),
    open: async () => createMemoryStore(),
  };
  const logger = createMemoryLogger();
  const daemon = await startDaemon({
    loaded: await load({}),
    clock: createSystemClock(),
    logger,
    preloaded: {
      '@test/capture': async () => ({ default: capture }),
      '@test/store': async () => ({ default: store }),
    },
  });
  // It writes its state as it closes, so the folder goes after it.
  t.after(async () => {
    await daemon[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  });
  const address = () => logger.lines.findLast(({ message }) => message === 'metrics are served')?.fields['address'];
  return { daemon, load, logger, address };
}

test('a daemon without metrics loads neither prom-client nor an HTTP server; a reload turns them on and off', async (t) => {
  const { daemon, load, address } = await open(t);
  assert.equal(hasLoaded(PROM), false);
  assert.equal(hasHttp(), hadHttp);
  await daemon.reload(await load({ metrics: { listen: '127.0.0.1:0' } }));
  assert.equal(hasLoaded(PROM), true);
  assert.equal(hasHttp(), true);
  const got = await fetch(`http://${address()}/metrics`);
  assert.match(got.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const text = await got.text();
  assert.match(text, /^stunmesh_device_up\{device="stunm-none"\} 0$/m);
  assert.match(text, /^stunmesh_peer_phase\{device="stunm-none",peer="b",phase="waiting"\} 1$/m);
  assert.match(text, /^stunmesh_store_keys_read_total\{store="main"\} 0$/m);
  const health = await fetch(`http://${address()}/healthz`);
  assert.equal(health.status, 503);
  assert.match(await health.text(), /^stunm-none: .+/);
  assert.equal((await fetch(`http://${address()}/status.json`)).status, 404);
  await daemon.reload(await load({ metrics: { listen: '127.0.0.1:0', page: true } }));
  const page = await fetch(`http://${address()}/`);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  const status = (await (await fetch(`http://${address()}/status.json`)).json()) as {
    readonly full: boolean;
    readonly devices: readonly { readonly name: string; readonly peers: readonly { readonly phase: string }[] }[];
  };
  assert.equal(status.full, true);
  assert.deepEqual(
    status.devices.map(({ name, peers }) => [name, peers.map(({ phase }) => phase)]),
    [['stunm-none', ['not on device']]],
  );
  await daemon.reload(await load({}));
  await assert.rejects(fetch(`http://${address()}/metrics`));
});

test('a port that is taken is an error in the log; the daemon runs on', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const { daemon, load, logger } = await open(t);
  const { port } = taken.address() as { port: number };
  await daemon.reload(await load({ metrics: { listen: `127.0.0.1:${port}` } }));
  assert.match(logger.text(), /no metrics for now, all else goes on .*ERR_METRICS_LISTEN/);
  assert.equal(daemon.devices.length, 1);
});
