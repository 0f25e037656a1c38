/** What configurations may look like: types, spellings and names that are taken, and what they mean. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '#src/config/index.js';
import { DEFAULTS } from './defaults.js';
import { fixturePath, KEY_A, KEY_B, load } from './fixtures.js';

function peerFile(peer: string): string {
  return `interfaces: {wg0: {peers: {a: {${peer}}}}}\nplugins: {p: {type: exec, command: x}}\n`;
}

test('an empty file means the defaults, with warnings that say so', async (t) => {
  for (const text of [
    '',
    '# nothing\n',
    '{}',
    '---\n...\n',
    'null',
    'interfaces:\nplugins:\nlog:\n',
    'interfaces: []',
  ]) {
    const { config, warnings } = await load(t, text);
    const { file, ...rest } = config;
    assert.match(file, /^\/.*c\.yaml$/);
    assert.deepEqual(rest, DEFAULTS, text);
    assert.deepEqual(warnings, [
      'c.yaml: no stun.addresses; using stun.l.google.com:19302',
      'c.yaml: no interfaces; there is nothing to do',
    ]);
  }
});

test('the same configuration as JSON and as YAML with every further key is the same', async () => {
  const yaml = await loadConfig({ file: fixturePath('full.yaml'), env: {}, cwd: '/', platform: 'freebsd' });
  const json = await loadConfig({ file: fixturePath('full.json'), env: {}, cwd: '/', platform: 'freebsd' });
  assert.deepEqual({ ...json.config, file: '' }, { ...yaml.config, file: '' });
  assert.deepEqual(
    yaml.warnings.map((text) => text.replace(/^.*: plugins/, 'plugins')),
    ['plugins.script.dedup: no effect: a record that did not change is not written again anyway'],
  );
  assert.equal(yaml.config.mappingCheckMs, 0);
  const { capture, runDir, stateDir, renew, plugins, interfaces } = yaml.config;
  assert.deepEqual(
    { capture, runDir, stateDir, renew },
    { capture: 'linux', runDir: '/tmp/run', stateDir: '/tmp/state', renew: false },
  );
  assert.deepEqual(interfaces.get('wg0')?.peers.get('alice')?.plugins, ['folder', 'script']);
  assert.equal(plugins.get('script')?.timeoutMs, 2_500);
  assert.deepEqual(plugins.get('script')?.settings, {
    command: './store',
    args: ['-v'],
    env: { Path_Like: '/x', N: '7' },
    env_clear: true,
  });
  assert.deepEqual(plugins.get('folder')?.settings, { path: '/srv/mesh', nested: { Kept: [1, true, null] } });
});

test('F40 quoted scalars of templates are taken as their types', async (t) => {
  const { config } = await load(
    t,
    `ping_monitor: { fixed_retries: "7", interval: "2s" }
renew: "false"
stun: { addresses: "a.example:1,b.example:2 , a.example:1" }
log: { level: "", format: "" }
interfaces:
  wg0: { listen_default_route: "true", protocol: "", listen_interfaces: "" }
`,
  );
  assert.equal(config.pingMonitor.fixedRetries, 7);
  assert.equal(config.renew, false);
  assert.deepEqual(config.stun.addresses, ['a.example:1', 'b.example:2']);
  assert.deepEqual(config.log, DEFAULTS.log);
  assert.deepEqual(config.interfaces.get('wg0'), {
    name: 'wg0',
    protocol: 'ipv4',
    peers: new Map(),
    listenInterfaces: [],
    listenDefaultRoute: true,
    lan: true,
    advertise: [],
    checkListen: 'always',
    upgrade: true,
    portMapping: [],
    hardNat: 'predicted',
  });
});

test('candidates: LAN addresses by a word or by prefixes, other ways in as host and port', async (t) => {
  const of = async (text: string) => (await load(t, `interfaces: { wg0: { ${text} } }`)).config.interfaces.get('wg0');
  for (const [written, value] of [
    ['false', false],
    ['"true"', true],
    ['""', true],
    ['[]', true],
  ] as const)
    assert.equal((await of(`lan: ${written}`))?.lan, value, written);
  const lan = (await of('lan: [10.0.0.0/8, "fd00::/8", 192.0.2.9]'))?.lan;
  assert.deepEqual(Array.isArray(lan) ? lan.map(({ length }) => length) : lan, [8, 8, 32]);
  const entry = await of('advertise: "vpn.example.org:443, [2001:db8::1]:51820", check_listen: auto, upgrade: "0"');
  assert.deepEqual(entry?.advertise, ['vpn.example.org:443', '[2001:db8::1]:51820']);
  assert.deepEqual([entry?.checkListen, entry?.upgrade], ['auto', false]);
});

test('port mapping: a word or a list of protocols, in our order; off unless it is asked for', async (t) => {
  const of = async (text: string) =>
    (await load(t, `interfaces: { wg0: { ${text} } }`)).config.interfaces.get('wg0')?.portMapping;
  for (const off of ['', 'port_mapping: off', 'port_mapping: ""', 'port_mapping: [off, pcp]'])
    assert.deepEqual(await of(off), [], off);
  assert.deepEqual(await of('port_mapping: auto'), ['pcp', 'nat-pmp', 'upnp']);
  assert.deepEqual(await of('port_mapping: [upnp, pcp, pcp]'), ['pcp', 'upnp']);
  assert.deepEqual(await of('port_mapping: "nat-pmp, pcp"'), ['pcp', 'nat-pmp']);
});

test('booleans and whole numbers take the forms that Go takes', async (t) => {
  for (const [written, value] of [
    ['1', true],
    ['"1"', true],
    ['t', true],
    ['"TRUE"', true],
    ['7', true],
    ['0', false],
    ['F', false],
    ['"False"', false],
    ['""', false],
  ] as const)
    assert.equal((await load(t, `renew: ${written}`)).config.renew, value, written);
  for (const [written, value] of [
    ['0x10', 16],
    ['"0x10"', 16],
    ['true', 1],
    ['""', 0],
    ['5.0', 5],
    ['+5', 5],
  ] as const)
    assert.equal(
      (await load(t, `ping_monitor: {fixed_retries: ${written}}`)).config.pingMonitor.fixedRetries,
      value,
      written,
    );
});

test('log levels take any letter case; panic and disabled have equivalents', async (t) => {
  for (const [written, level] of [
    ['WARN', 'warn'],
    ['Panic', 'fatal'],
    ['disabled', 'silent'],
    ['trace', 'trace'],
  ] as const)
    assert.equal((await load(t, `log: {level: ${written}}`)).config.log.level, level);
});

test('anchors, aliases and merge keys work, and what the mapping itself says wins', async (t) => {
  const { config } = await load(
    t,
    `interfaces:
  wg0:
    peers:
      a: &base
        public_key: ${KEY_A}
        plugin: p
        protocol: ipv6
      b:
        <<: *base
        public_key: ${KEY_B}
plugins:
  p: { type: exec, command: x }
`,
  );
  const b = config.interfaces.get('wg0')?.peers.get('b');
  assert.equal(b?.publicKey, KEY_B);
  assert.equal(b?.protocol, 'ipv6');
});

test('a key with stray bits in its last character is written canonically, as wg shows it', async (t) => {
  const stray = KEY_A.replace(/M=$/, 'N=');
  const { config } = await load(t, peerFile(`public_key: ${stray}, plugin: p`));
  assert.equal(config.interfaces.get('wg0')?.peers.get('a')?.publicKey, KEY_A);
});

test('a plugin is found in another letter case where only one can be meant', async (t) => {
  const { config } = await load(t, peerFile(`public_key: ${KEY_A}, plugin: [P, p]`));
  assert.deepEqual(config.interfaces.get('wg0')?.peers.get('a')?.plugins, ['p']);
});

test('stun.address comes first, addresses follow without repetition', async (t) => {
  const { config, warnings } = await load(
    t,
    'stun: {address: "[2001:db8::1]:9", addresses: [a.b:1, "[2001:db8::1]:9"]}',
  );
  assert.deepEqual(config.stun.addresses, ['[2001:db8::1]:9', 'a.b:1']);
  assert.equal(warnings[0], 'c.yaml:1:8: stun.address: of older files; write it as the first of stun.addresses');
});

test('stun.address alone is enough beside an empty list', async (t) => {
  const { config } = await load(t, 'stun: {address: a.b:1, addresses: []}');
  assert.deepEqual(config.stun.addresses, ['a.b:1']);
});

test('explain gives the key of a value that is left empty', async (t) => {
  const { explain } = await load(t, 'renew: true\nlog:\n  level:\n');
  assert.equal(explain(['log', 'level']), 'c.yaml:3:3: log.level');
});

test('numbers of a plugin keep their text where a number would lose some of it', async (t) => {
  const { config } = await load(
    t,
    'plugins: {x: {type: builtin, name: y, A: 007, b: 1.10, c: 12345678901234567890, d: 42, e: 0x1F, f: -1.5, g: .inf}}',
  );
  assert.deepEqual(config.plugins.get('x')?.settings, {
    a: '007',
    b: '1.10',
    c: '12345678901234567890',
    d: 42,
    e: '0x1F',
    f: -1.5,
    g: '.inf',
  });
});

test('names such as __proto__ and constructor are names like others', async (t) => {
  const { config } = await load(
    t,
    `plugins: { __proto__: {type: exec, command: x}, constructor: {type: builtin, name: y, __proto__: {z: 1}} }
interfaces: { wg0: { peers: { toString: { public_key: ${KEY_A}, plugin: __proto__ } } } }
`,
  );
  assert.deepEqual([...config.plugins.keys()], ['__proto__', 'constructor']);
  assert.deepEqual(config.interfaces.get('wg0')?.peers.get('toString')?.plugins, ['__proto__']);
  assert.equal(Object.getPrototypeOf(config.plugins.get('constructor')?.settings), Object.prototype);
});

test('byte order mark, CRLF and tabs inside JSON are no obstacle', async (t) => {
  assert.equal((await load(t, '\ufeffrenew: false\r\ncapture: bsd\r\n')).config.capture, 'bsd');
  assert.equal(
    (await load(t, '{\n\t"renew": false,\n\t"log": {\n\t\t"level": "warn"\n\t}\n}\n')).config.log.level,
    'warn',
  );
});
