import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { configFile, foldersOf } from '#src/config/folders.js';
import { KEY_A, load } from './fixtures.js';

test('each system has its own places for what lives until the next boot and for what survives it', () => {
  assert.deepEqual(foldersOf('linux'), {
    config: ['/etc/stunmesh'],
    run: '/run/stunmesh',
    state: '/var/lib/stunmesh',
  });
  for (const platform of ['freebsd', 'darwin', 'openbsd'] as const)
    assert.deepEqual(foldersOf(platform), {
      config: ['/usr/local/etc/stunmesh', '/etc/stunmesh'],
      run: '/var/run/stunmesh',
      state: '/var/db/stunmesh',
    });
});

test('services, manual, sample and documentation name the same folders as the daemon looks in', () => {
  const read = (path: string) => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');
  for (const [platform, files] of [
    ['linux', ['service/systemd/stunmesh.service', 'service/openrc/stunmesh', 'service/docker/Dockerfile']],
    ['freebsd', ['service/freebsd/stunmesh']],
    ['darwin', ['service/macos/stunmesh.plist']],
  ] as const)
    for (const file of files) assert.ok(read(`packages/core/${file}`).includes(configFile(platform)), file);
  const manual = read('packages/core/build/stunmesh.1');
  for (const platform of ['linux', 'freebsd'] as const) {
    const { run, state } = foldersOf(platform);
    for (const path of [configFile(platform), `${run}/DEVICE.sock`, `${state}/DEVICE.json`])
      assert.ok(manual.includes(path.replaceAll('-', '\\-')), path);
  }
  const platforms = read('docs/platforms.md');
  assert.ok(platforms.includes(`stunmesh_config\`  | the configuration`) && platforms.includes(configFile('freebsd')));
});

test('devices and interfaces may be called as all systems call them', async (t) => {
  for (const device of ['wg0', 'tun_wg0', 'utun12', 'home', 'abcdefghijklmno']) {
    const peers = `peers: { far: { public_key: "${KEY_A}", plugin: f } }`;
    const listen = 'listen_interfaces: [em0, em0.5, igb0_vlan5, vlan01, ng0, pppoe0, lagg0, bridge100]';
    const plugins = 'plugins: { f: { type: builtin, name: file, path: /tmp/f } }';
    const { config } = await load(t, `${plugins}\ninterfaces: { ${device}: { ${listen}, ${peers} } }\n`);
    assert.equal(config.interfaces.get(device)?.listenInterfaces.length, 8);
  }
});
