/** From flags or answers to a configuration that loads again as it was planned. */
import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { loadConfig } from '#src/config/index.js';
import type { Question } from '#src/setup/ask.js';
import { formatConfig, peerNames } from '#src/setup/format-config.js';
import type { FoundDevice } from '#src/setup/found-device.js';
import { type InitOptions, initialise } from '#src/setup/init.js';
import type { PlanFlags } from '#src/setup/plan.js';
import { storeKind } from '#src/setup/store-kinds.js';
import { keyPair } from '../controllers/far-side.js';

const [OWN, A, B] = [keyPair('own').publicKey, keyPair('a').publicKey, keyPair('b').publicKey];
const WG0: FoundDevice = {
  name: 'wg0',
  publicKey: OWN,
  listenPort: 51820,
  peers: [
    { name: 'Branch office', publicKey: A, allowedIps: ['192.168.7.0/24', '10.0.0.2/32'], keepaliveSeconds: 25 },
    { publicKey: B, allowedIps: ['10.0.1.0/24'], keepaliveSeconds: 0 },
  ],
};
const WG1: FoundDevice = { ...WG0, name: 'wg1', peers: [] };
const FLAGS: PlanFlags = { settings: [], stunServers: [] };

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-init-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function run(
  t: TestContext,
  flags: Partial<PlanFlags>,
  more: Partial<InitOptions> & { readonly answers?: object } = {},
) {
  const dir = more.cwd ?? (await folder(t));
  const questions: string[] = [];
  const answers = Object.entries((more.answers ?? {}) as Record<string, string>);
  /** Answers by a word of the question; what is not answered takes its default. */
  const asker = {
    async ask({ note = '', question: line, fallback, hidden, check }: Question) {
      const question = `${note}\n${line}`;
      questions.push(`${question}${hidden ? ' (hidden)' : ''}`);
      const answer = answers.find(([word]) => question.includes(word))?.[1] ?? fallback;
      assert.ok(answer !== undefined, `no answer to: ${question}`);
      assert.equal(check?.(answer), undefined, `${answer} to: ${question}`);
      return answer;
    },
    tell: () => undefined,
    [Symbol.dispose]: () => undefined,
  };
  const text = await initialise({
    devices: [WG0],
    flags: { ...FLAGS, ...flags },
    ...(more.answers ? { asker } : {}),
    output: 'config.yaml',
    cwd: dir,
    force: false,
    check: async (file) => (await loadConfig({ file, env: {}, cwd: dir })).warnings,
    ...more,
  });
  const loaded = await loadConfig({ dir, env: {}, cwd: dir });
  return { dir, text, questions, config: loaded.config, warnings: loaded.warnings };
}

test('flags alone: the configuration loads without a warning, and holds devices, peers, store, servers, pings', async (t) => {
  const { config, warnings, text, dir } = await run(t, { store: 'file', settings: ['path=/srv/mesh'] });
  assert.deepEqual(warnings, []);
  assert.deepEqual(config.stun.addresses, ['stun.l.google.com:19302', 'stun.cloudflare.com:3478']);
  assert.deepEqual(config.plugins.get('shared')?.settings, { path: '/srv/mesh' });
  const peers = [...(config.interfaces.get('wg0')?.peers.values() ?? [])];
  assert.deepEqual(
    peers.map(({ name, publicKey, plugins, protocol, ping }) => ({ name, publicKey, plugins, protocol, ping })),
    [
      {
        name: 'Branch-office',
        publicKey: A,
        plugins: ['shared'],
        protocol: 'ipv4',
        ping: { enabled: true, target: '10.0.0.2', intervalMs: 1_000, timeoutMs: 1_000 },
      },
      {
        name: peerNames(WG0.peers)[1],
        publicKey: B,
        plugins: ['shared'],
        protocol: 'ipv4',
        ping: { enabled: false, intervalMs: 1_000, timeoutMs: 1_000 },
      },
    ],
  );
  assert.equal((await stat(join(dir, 'config.yaml'))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(dir), ['config.yaml']);
  for (const part of [
    OWN,
    A,
    B,
    'stunmesh init --store file',
    '--set path=/srv/mesh',
    '1 of 2 peers without PersistentKeepalive',
  ])
    assert.ok(text.includes(part), `${part} in:\n${text}`);
});

test('dualstack, no pings, own servers, an exec program with arguments', async (t) => {
  const { config } = await run(t, {
    store: 'exec',
    settings: ['command=/usr/bin/store', 'args=-v', 'args=--name=a b'],
    protocol: 'dualstack',
    ping: false,
    portMapping: false,
    stunServers: ['[2001:db8::1]:3478'],
  });
  assert.deepEqual(config.plugins.get('shared')?.settings, {
    command: '/usr/bin/store',
    args: ['-v', '--name=a b'],
    env: {},
    env_clear: false,
  });
  const device = config.interfaces.get('wg0');
  assert.equal(device?.protocol, 'dualstack');
  const peer = device?.peers.get('Branch-office');
  assert.deepEqual([peer?.protocol, peer?.ping.enabled], ['prefer_ipv4', false]);
  assert.deepEqual(config.stun.addresses, ['[2001:db8::1]:3478']);
});

test('without a terminal everything that is missing is named at once', async (t) => {
  await assert.rejects(run(t, {}, { devices: [WG0, WG1] }), (error: Error) => {
    for (const part of ['--device NAME', 'wg0, wg1', '--store NAME', 'cloudflare'])
      assert.ok(error.message.includes(part), error.message);
    return true;
  });
  await assert.rejects(run(t, { store: 'cloudflare' }), (error: Error) => {
    for (const part of ['--set zone=VALUE', '--secret-file FILE, --secret-env NAME or --secret-stdin'])
      assert.ok(error.message.includes(part), error.message);
    assert.doesNotMatch(error.message, /subdomain/);
    return true;
  });
});

test('answers on a terminal: the same, and several devices are chosen from', async (t) => {
  const { config, questions, dir } = await run(
    t,
    {},
    {
      devices: [WG0, WG1],
      answers: {
        'Devices to serve': 'wg0',
        'Where the records': 'cloudflare',
        Zone: 'example.com',
        token: 'hunter2',
        'Ping them': 'no',
      },
    },
  );
  assert.deepEqual([...config.interfaces.keys()], ['wg0']);
  assert.equal(config.interfaces.get('wg0')?.peers.get('Branch-office')?.ping.enabled, false);
  const secretPath = join(dir, 'shared-token');
  assert.deepEqual(config.plugins.get('shared')?.settings, { zone: 'example.com', token_file: secretPath });
  assert.equal(await readFile(secretPath, 'utf8'), 'hunter2\n');
  assert.equal((await stat(secretPath)).mode & 0o777, 0o600);
  assert.ok(questions.some((question) => /token.*\(hidden\)$/.test(question)));
  assert.equal(questions.length, 8);
});

test('F34 a secret goes to a file of its own or is named: never into the configuration, never from the command line', async (t) => {
  const kept = await run(t, { store: 'redis', settings: ['url=rediss://r.test:6379'], secretText: 'hunter2' });
  const yaml = await readFile(join(kept.dir, 'config.yaml'), 'utf8');
  for (const text of [yaml, kept.text]) assert.equal(text.includes('hunter2'), false);
  assert.match(yaml, /password_file: .*shared-password/);
  const env = await run(t, { store: 'redis', settings: ['url=redis://r.test'], secretEnv: 'REDIS_PASSWORD' });
  assert.equal(env.config.plugins.get('shared')?.settings['password_env'], 'REDIS_PASSWORD');
  const file = await run(t, { store: 'redis', settings: ['url=redis://r.test'], secretFile: 'redis' });
  assert.equal(file.config.plugins.get('shared')?.settings['password_file'], 'redis');
  assert.doesNotMatch(file.text, /not there yet/);
  const later = await run(t, { store: 'redis', settings: ['url=redis://r.test'], secretFile: './redis' });
  assert.match(later.text, new RegExp(`! ${later.dir}/redis is not there yet; put the password into it`));
  for (const [flags, message] of [
    [
      { store: 'redis', settings: ['url=redis://r.test', 'password=hunter2'] },
      /password=…: .*does not belong on a command/,
    ],
    [{ store: 'cloudflare', settings: ['zone=z', 'token=hunter2'] }, /token=…: .*does not belong on a command line/],
    [{ store: 'redis', settings: ['url=redis://user:hunter2@r.test'] }, /leave the password out of the address/],
    [{ store: 'redis', settings: ['url=redis://r.test'], secretText: 'hunter2', secretEnv: 'X' }, /keep one of/],
    [{ store: 'file', settings: ['path=/x'], secretText: 'hunter2' }, /it is not known where it takes a secret/],
    [{ store: 'redis', settings: ['url=redis://r.test'], secretText: '' }, /stdin was empty/],
  ] as const)
    await assert.rejects(run(t, flags), (error: Error & { readonly code?: string }) => {
      assert.equal(error.code, 'ERR_USAGE');
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hunter2/);
      return true;
    });
});

test('two peers of one name, in any letter case, get names of their own', () => {
  const named = (name: string | undefined) => ({
    publicKey: A,
    allowedIps: [],
    keepaliveSeconds: 0,
    ...(name ? { name } : {}),
  });
  const key = peerNames([named(undefined)])[0] ?? '';
  assert.match(key, /^peer-[A-Za-z0-9]{6}$/);
  assert.deepEqual(peerNames([named('office'), named('Office'), named('office'), named(undefined), named(undefined)]), [
    'office',
    'Office-2',
    'office-3',
    key,
    `${key}-2`,
  ]);
});

test('a file that is there stays as it is, unless forced; what does not pass the check is not written', async (t) => {
  const dir = await folder(t);
  await writeFile(join(dir, 'config.yaml'), 'stun: { addresses: ["a.example:1"] }\n');
  await chmod(join(dir, 'config.yaml'), 0o644);
  const flags = { store: 'file', settings: ['path=/x'] };
  const early = async () => assert.fail('it was asked and written for nothing');
  const refused = { code: 'ERR_USAGE', message: /is there already.*--force/ };
  await assert.rejects(run(t, flags, { cwd: dir, check: early }), refused);
  assert.match(await readFile(join(dir, 'config.yaml'), 'utf8'), /a\.example/);
  const check = async () => Promise.reject(new Error('no'));
  await assert.rejects(run(t, flags, { cwd: dir, force: true, check }), /no/);
  assert.match(await readFile(join(dir, 'config.yaml'), 'utf8'), /a\.example/);
  const { config } = await run(t, flags, { cwd: dir, force: true });
  assert.equal(config.plugins.size, 1);
  assert.equal((await stat(join(dir, 'config.yaml'))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(dir), ['config.yaml']);
});

test('a file that comes to be while questions are asked is not overwritten; the folder is made; nothing is left over', async (t) => {
  const dir = await folder(t);
  const check = async () => {
    await mkdir(join(dir, 'sub'), { recursive: true });
    await writeFile(join(dir, 'sub/config.yaml'), 'mine');
    return [];
  };
  const flags = { store: 'file', settings: ['path=/x'] };
  await assert.rejects(run(t, flags, { cwd: dir, output: 'sub/config.yaml', check }), /is there already/);
  assert.equal(await readFile(join(dir, 'sub/config.yaml'), 'utf8'), 'mine');
  assert.deepEqual(await readdir(join(dir, 'sub')), ['config.yaml']);
});

test('wrong flags are named: server, setting, protocol', async (t) => {
  for (const [flags, message] of [
    [{ store: 'file', settings: ['path=/x'], storeName: '../../x' }, /--store-name .*write letters/],
    [{ store: 'file', settings: ['path'] }, /--set takes KEY=VALUE/],
    [{ store: 'file', settings: ['path=/x'], stunServers: ['stun.example'] }, /--stun: .*no port/],
    [{ store: 'file', settings: ['path=/x'], protocol: 'ipv5' }, /--protocol ipv5: write ipv4/],
  ] as const)
    await assert.rejects(run(t, flags), { code: 'ERR_USAGE', message });
});

test('any names, keys and settings come back from the file as they went in', async (t) => {
  const dir = await folder(t);
  const word = fc.oneof(
    fc.constantFrom('yes', '1', '0x1', 'null', '~', '- a', '#x', 'a: b', "'", '"', '\\', '\u{1f600}', ''),
    fc.string(),
  );
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,31}$/);
  const plan = fc.record({ path: word, args: fc.array(word, { maxLength: 3 }), names: fc.tuple(name, name) });
  await fc.assert(
    fc.asyncProperty(plan, async ({ path, args, names }) => {
      const peers = WG0.peers.map((peer, index) => ({ ...peer, name: names[index] ?? '' }));
      const text = formatConfig({
        devices: [{ ...WG0, peers }],
        store: { name: 'shared', kind: storeKind('exec'), settings: { command: `x${path}`, args } },
        stunServers: ['stun.example:3478'],
        protocol: 'ipv4',
        ping: true,
        portMapping: false,
      });
      await writeFile(join(dir, 'config.yaml'), text);
      const { config } = await loadConfig({ dir, env: {}, cwd: dir });
      const { command, args: loaded } = config.plugins.get('shared')?.settings ?? {};
      assert.deepEqual({ command, loaded }, { command: `x${path}`, loaded: args });
      // JavaScript puts names that are numbers first.
      const loadedNames = [...(config.interfaces.get('wg0')?.peers.keys() ?? [])];
      assert.deepEqual(loadedNames.sort(), [...peerNames(peers)].sort());
    }),
    { numRuns: 150 },
  );
});

test('what is asked fits 80 columns', async (t) => {
  const { questions } = await run(
    t,
    {},
    { devices: [WG0, WG1], answers: { Store: 'cloudflare', Zone: 'example.com', token: 'hunter2' } },
  );
  for (const line of questions.join('\n').split('\n')) assert.ok(line.length <= 80, line);
});
