/** docs/getting-started.md as a reader follows it: its blocks run as they stand, on two sites with LANs behind two NATs. */
import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Host,
  type Lab,
  type LabSpec,
  must,
  REPOSITORY,
  type RunResult,
  run,
  startDht,
  until,
} from '../lab/index.js';
import { labTest } from '../lab/steps/lab-test.js';

const SPEC: LabSpec = { sides: { a: { wireguard: false }, b: { wireguard: false } }, coturn: [1, 2] };
/** Nobody's payload by accident. */
const PAYLOAD = 'c0ffee5afe15600d';

interface Block {
  readonly sites: readonly string[];
  readonly script: string;
}

/** The blocks that the page marks for a site, in order. */
async function readBlocks(): Promise<readonly Block[]> {
  const page = await readFile(join(REPOSITORY, 'docs/getting-started.md'), 'utf8');
  return [...page.matchAll(/^```sh ([^\n]*)\n([\s\S]*?)^```$/gm)].map(([, sites = '', script = '']) => ({
    sites: sites.split(' '),
    script,
  }));
}

/** A machine of its own, as far as the page can see: /etc, /run, /var/lib and the shared folder are the site's. */
class Site {
  readonly host: Host;
  readonly name: string;
  readonly number: number;
  readonly #folder: string;

  constructor(lab: Lab, host: Host, number: number) {
    this.host = host;
    this.number = number;
    this.name = `site-${number}`;
    this.#folder = join(lab.dir, this.name);
  }

  get lanNamespace(): string {
    return `${this.host.namespace}l`;
  }

  async prepare(): Promise<void> {
    for (const name of ['run', 'lib', 'bin']) await mkdir(join(this.#folder, name), { recursive: true });
    await cp('/etc', join(this.#folder, 'etc'), {
      recursive: true,
      verbatimSymlinks: true,
      filter: (source) => !/\/(ssl|java|alternatives|fonts|apparmor\.d)$/.test(source),
    });
    const names =
      '203.0.113.1 stun.cloudflare.com dht.transmissionbt.com\n203.0.113.2 stun.sipgate.net dht.libtorrent.org\n';
    await writeFile(join(this.#folder, 'etc/hosts'), `127.0.0.1 localhost\n${names}`);
    const command = `#!/bin/sh\nexec '${process.execPath}' '${join(REPOSITORY, 'packages/core/dist/cli/main.js')}' "$@"\n`;
    await writeFile(join(this.#folder, 'bin/stunmesh'), command, { mode: 0o755 });
    const { lanNamespace, number } = this;
    const lan = `192.168.10${number}`;
    await must(undefined, ['ip', 'netns', 'add', lanNamespace]);
    const links = [
      `link add lan0 type veth peer name eth0 netns ${lanNamespace}`,
      `addr add ${lan}.1/24 dev lan0`,
      'link set lan0 up',
    ];
    await must(undefined, ['ip', '-n', this.host.namespace, '-batch', '-'], { input: `${links.join('\n')}\n` });
    const inside = [`addr add ${lan}.10/24 dev eth0`, 'link set eth0 up', `route add default via ${lan}.1`];
    await must(undefined, ['ip', '-n', lanNamespace, '-batch', '-'], { input: `${inside.join('\n')}\n` });
  }

  /** A script as the page has it, in the site's own folders. */
  argv(script: string): string[] {
    const bind = (name: string, where: string) => `mount --bind '${join(this.#folder, name)}' ${where}`;
    const before = [
      bind('etc', '/etc'),
      bind('run', '/run'),
      bind('lib', '/var/lib'),
      `export PATH='${join(this.#folder, 'bin')}':"$PATH"`,
    ];
    return ['unshare', '--mount', 'sh', '-e', '-c', `${before.join('\n')}\n${script}`];
  }

  run(script: string): Promise<RunResult> {
    return run(this.host.namespace, this.argv(script), { timeoutMs: 120_000 });
  }

  async tearDown(): Promise<void> {
    // wireguard-go ends with its device.
    await run(undefined, ['ip', '-n', this.host.namespace, 'link', 'del', 'wg0']);
    await run(undefined, ['ip', 'netns', 'del', this.lanNamespace]);
  }
}

labTest(
  'the page "Getting started" leads to two LANs that reach each other through one direct tunnel',
  SPEC,
  async (lab) => {
    const sites = [new Site(lab, lab.host('a'), 1), new Site(lab, lab.host('b'), 2)] as const;
    try {
      await Promise.all([startDht(lab), ...sites.map((site) => site.prepare())]);
      await followPage(sites);
      await keepItUp(lab, sites);
    } finally {
      await Promise.all(sites.map((site) => site.tearDown()));
    }
  },
  180_000,
);

/** Steps 1 to 4. */
async function followPage(sites: readonly Site[]): Promise<void> {
  const keys = new Map<string, string>();
  const blocks = (await readBlocks()).filter(({ script }) => !script.includes('stunmesh status'));
  assert.ok(blocks.length >= 7, `${blocks.length} blocks`);
  for (const { sites: names, script } of blocks) {
    const text = script.replaceAll(/PUBLIC_KEY_OF_SITE_(\d)/g, (_, number) => keys.get(`site-${number}`) ?? '');
    const chosen = sites.filter(({ name }) => names.includes(name));
    assert.ok(chosen.length > 0, `a block for nobody: ${names.join(' ')}`);
    await Promise.all(
      chosen.map(async (site) => {
        const { code, stdout, stderr } = await site.run(text);
        assert.equal(code, 0, `${site.name}: ${script}\n${stdout}${stderr}`);
        if (script.includes('wg genkey')) keys.set(site.name, stdout.trim());
      }),
    );
  }
}

/** Steps 5 and 6: the service, here without systemd. */
async function keepItUp(lab: Lab, sites: readonly Site[]): Promise<void> {
  const services = sites.map((site) => site.host.spawn(site.argv('exec stunmesh')));
  const status = (await readBlocks()).find(({ script }) => script.includes('stunmesh status'))?.script ?? '';
  for (const site of sites)
    await until(async () => (await site.run(status)).stdout.includes('connected'), {
      what: `${site.name}'s status to say connected`,
      deadlineMs: 30_000,
      pollMs: 300,
    });

  const [first] = sites;
  assert.ok(first);
  const places = [
    { namespace: lab.publicNamespace, file: join(lab.dir, 'public.pcap'), readable: false },
    { namespace: first.lanNamespace, file: join(lab.dir, 'lan.pcap'), readable: true },
  ];
  for (const { namespace, file } of places) {
    const capture = lab.spawn(namespace, ['tcpdump', '-n', '-U', '-i', 'any', '-w', file]);
    await until(() => capture.stderr.includes('listening'), { what: 'tcpdump to listen' });
  }
  for (const [from, to] of [sites, sites.toReversed()]) {
    assert.ok(from && to);
    const ping = ['ping', '-n', '-c', '3', '-i', '0.2', '-p', PAYLOAD, `192.168.10${to.number}.10`];
    const { code, stdout } = await run(from.lanNamespace, ping);
    assert.equal(code, 0, stdout);
    assert.match(stdout, / 3 received/);
  }
  const payload = Buffer.from(PAYLOAD, 'hex');
  for (const { file, readable } of places) {
    const seen = async () => (await readFile(file)).includes(payload);
    if (readable) await until(seen, { what: 'the payload on the LAN' });
    else {
      await until(async () => (await readFile(file)).length > 1000, { what: 'packets on the public segment' });
      assert.equal(await seen(), false, 'the payload is readable on the public segment');
    }
  }

  for (const service of services) service.signal('SIGTERM');
  await Promise.all(services.map(({ exited }) => exited));
  for (const { host } of sites) {
    const pids = (await must(undefined, ['ip', 'netns', 'pids', host.namespace])).trim().split('\n');
    const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')));
    assert.deepEqual([...new Set(names.map((name) => name.trim()))], ['wireguard-go'], 'what is left of the service');
  }
  for (const site of sites) assert.equal((await site.run('wg show wg0 latest-handshakes')).code, 0, 'the tunnel stays');
}
