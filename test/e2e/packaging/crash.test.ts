/** F79: a daemon that was killed works at once when it is started again, in every form in which it is installed. */
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import {
  createKeyPair,
  type Daemon,
  daemonConfig,
  type Host,
  type Lab,
  must,
  REPOSITORY,
  readSnapshot,
  startCloudflare,
  startRedis,
  until,
} from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';
import { foreignNode } from './steps/foreign-node.js';

/** Known by wg(8) alone, so that the daemon has to start it. */
const TOOL_DEVICE = 'wgtool0';
const WORKS_MS = 30_000;

interface Form {
  readonly script: string;
  /** A capture module without the kernel's WireGuard, so that wg(8) is asked. */
  readonly capture: string;
}

/** The program in each form; a bundle takes its capture from the site. */
async function forms(folder: string): Promise<Readonly<Record<string, Form>>> {
  const node = process.execPath;
  const bundle = join(folder, 'bundle');
  await must(undefined, [node, join(REPOSITORY, 'test/tools/bundle.mjs'), '--no-build', '--out', bundle], {
    timeoutMs: 60_000,
  });
  const tarballs = join(folder, 'tarballs');
  const release = join(REPOSITORY, 'test/tools/release.mjs');
  await must(undefined, [node, release, 'packages', '--no-build', '--out', tarballs], { timeoutMs: 60_000 });
  const site = join(folder, 'site');
  await mkdir(site);
  await writeFile(join(site, 'package.json'), '{ "private": true }\n');
  const packages: string[] = [];
  for (const name of ['core', 'capture-linux', 'store-file', 'store-exec', 'store-redis', 'store-cloudflare']) {
    const { version } = JSON.parse(await readFile(join(REPOSITORY, 'packages', name, 'package.json'), 'utf8')) as {
      version: string;
    };
    packages.push(join(tarballs, `stunmesh-${name}-${version}.tgz`));
  }
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--prefer-offline'];
  await must(undefined, ['npm', 'install', ...quiet, ...packages], { cwd: site, timeoutMs: 120_000 });
  const captureOf = async (name: string, module: string): Promise<string> => {
    const file = join(folder, `capture-${name}.mjs`);
    const { href } = pathToFileURL(module);
    await writeFile(file, `import linux from '${href}';\nexport default { ...linux, wireguard: undefined };\n`);
    return file;
  };
  const ofSite = await captureOf('site', join(site, 'node_modules/@stunmesh/capture-linux/dist/index.js'));
  const ofClone = await captureOf('clone', join(REPOSITORY, 'packages/capture-linux/dist/index.js'));
  return {
    clone: { script: join(REPOSITORY, 'packages/core/dist/cli/main.js'), capture: ofClone },
    'npm install': { script: join(site, 'node_modules/@stunmesh/core/dist/cli/main.js'), capture: ofSite },
    bundle: { script: join(bundle, 'stunmesh.js'), capture: ofSite },
  };
}

/** A wg(8) that knows one device; its folder comes first in PATH. */
async function writeTool(folder: string): Promise<string> {
  const { secret, publicKey } = createKeyPair();
  const dump = [secret.toString('base64'), publicKey, '51999', 'off'].join('\\t');
  await mkdir(folder, { recursive: true });
  const tool = join(folder, 'wg');
  await writeFile(tool, `#!/bin/sh\n[ "$*" = "show ${TOOL_DEVICE} dump" ] && exec printf '${dump}\\n'\nexit 1\n`);
  await chmod(tool, 0o755);
  return folder;
}

async function configure(
  lab: Lab,
  host: Host,
): Promise<{ config: Record<string, unknown>; env: Record<string, string> }> {
  const [redis, cloudflare] = await Promise.all([startRedis(lab), startCloudflare(lab)]);
  const plugins = {
    redis: redis.plugin,
    cloudflare: cloudflare.plugin,
    shell: { type: 'shell', command: join(REPOSITORY, 'test/fixtures/e2e/shell-store.sh'), args: [lab.storeDir] },
  };
  const plugin = Object.keys(plugins);
  const config = daemonConfig(host, lab, { plugins, peerOverrides: { b: { plugin } } });
  const far = { public_key: createKeyPair().publicKey, plugin };
  const interfaces = { ...(config['interfaces'] as object), [TOOL_DEVICE]: { peers: { far } } };
  const tools = await writeTool(join(lab.dir, 'tools'));
  const env = { ...cloudflare.env, PATH: `${tools}:${process.env['PATH']}` };
  return { config: { ...config, interfaces, metrics: { listen: '127.0.0.1:9100' } }, env };
}

/** Every store has answered, and both devices were read. */
async function expectWorks(daemon: Daemon, what: string): Promise<void> {
  await daemon.waitFor(
    ({ stores, devices }) =>
      devices[0]?.state === 'up' &&
      stores.length === 3 &&
      stores.every(({ gets, failures, state }) => gets > 0 && failures === 0 && state === 'up'),
    { what: `${what}: three stores that answer`, deadlineMs: WORKS_MS },
  );
  const tool = join(daemon.socketPath, '..', `${TOOL_DEVICE}.sock`);
  await until(async () => (await readSnapshot(tool)).devices[0]?.listenPort === 51999, { what: `${what}: wg(8)` });
  assert.doesNotMatch(daemon.log(), /Cannot find (module|package)|MODULE_NOT_FOUND|ERR_INTERNAL|no metrics/, what);
}

labTest(
  'F79 killed and started again, a clone, an npm install and a bundle load Redis, Cloudflare, wg(8) and plugins, by two Nodes',
  { sides: { a: {}, b: {} }, coturn: [1, 2] },
  async (lab, t) => {
    const host = lab.host('a');
    const { config, env } = await configure(lab, host);
    const nodes = [[process.execPath], ...(process.arch === 'x64' ? [await foreignNode('newest')] : [])];
    for (const [form, { script, capture }] of Object.entries(await forms(lab.dir)))
      for (const node of nodes) {
        const what = `${form} by ${(await must(undefined, [...node, '--version'])).trim()}`;
        const options = { config: { ...config, capture }, env, command: [...node, script] };
        const first = await host.startDaemon(options);
        await expectWorks(first, `${what}, first start`);
        await first.kill();
        const second = await host.startDaemon(options);
        await expectWorks(second, `${what}, after the kill`);
        const scratch = await readdir(join(second.socketPath, '..', 'scratch'));
        assert.equal(scratch.length, 1, `${what}: temporary files of the killed one are left`);
        t.diagnostic(`${what}: works again ${Math.round(performance.now() - second.startedAt)} ms after its start`);
        await second.kill();
      }
  },
  400_000,
);
