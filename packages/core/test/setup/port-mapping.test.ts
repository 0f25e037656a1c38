/** Port mapping in `init`: offered where a router answers, on request without a question, and else not spoken of. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { loadConfig } from '#src/config/index.js';
import { findMappingRouter } from '#src/setup/find-router.js';
import { type InitOptions, initialise } from '#src/setup/init.js';
import { createFakeClock } from '#src/testing/index.js';
import { keyPair } from '../controllers/far-side.js';
import { createFakeRouter } from '../portmap/fake-router.js';

const WG0 = { name: 'wg0', publicKey: keyPair('own').publicKey, listenPort: 51_820, peers: [] };
const ROUTER = { address: '192.168.1.1', protocol: 'PCP' };

/** What was asked, the file, and the device's protocols as they are loaded. */
async function run(t: TestContext, more: Partial<InitOptions>, answer?: string) {
  const dir = await mkdtemp(join(tmpdir(), 'stunmesh-init-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const asked: string[] = [];
  const asker = {
    ask: async ({ question, note = '', fallback = '' }: { question: string; note?: string; fallback?: string }) => {
      assert.ok(note.length <= 80 && question.length < 60);
      asked.push(question);
      return question.startsWith('Let it') ? (answer ?? fallback) : fallback;
    },
    tell: () => undefined,
    [Symbol.dispose]: () => undefined,
  };
  await initialise({
    devices: [WG0],
    flags: { settings: ['path=/srv/mesh'], stunServers: ['stun.example:3478'], store: 'file' },
    ...(answer === undefined ? {} : { asker }),
    output: 'config.yaml',
    cwd: dir,
    force: false,
    check: async () => [],
    ...more,
  });
  const text = await readFile(join(dir, 'config.yaml'), 'utf8');
  const { config } = await loadConfig({ dir, env: {}, cwd: dir });
  return { asked, text, protocols: config.interfaces.get('wg0')?.portMapping };
}

test('a router that answers is offered; no is the default', async (t) => {
  const findRouter = async () => ROUTER;
  const yes = await run(t, { findRouter }, 'yes');
  assert.ok(yes.asked.includes('Let it open a port (yes, no)'));
  assert.deepEqual(yes.protocols, ['pcp', 'nat-pmp', 'upnp']);
  const no = await run(t, { findRouter }, 'no');
  assert.deepEqual(no.protocols, []);
  assert.doesNotMatch(no.text, /port_mapping/);
});

test('where none answers, or nobody is there to be asked, nothing is; a flag needs no answer', async (t) => {
  const none = await run(t, { findRouter: async () => undefined }, 'yes');
  assert.ok(!none.asked.some((question) => question.startsWith('Let it')));
  const findRouter = () => assert.fail('asked the router though nobody asks');
  assert.deepEqual((await run(t, { findRouter })).protocols, []);
  const flags = { settings: ['path=/srv/mesh'], stunServers: ['s.example:1'], store: 'file', portMapping: true };
  assert.deepEqual((await run(t, { findRouter, flags })).protocols, ['pcp', 'nat-pmp', 'upnp']);
});

test('the router is found by what it answers, and nothing is mapped', async () => {
  for (const [speaks, protocol] of [
    [['pcp', 'upnp'], 'PCP'],
    [['nat-pmp'], 'NAT-PMP'],
    [['upnp'], 'UPnP'],
    [[], undefined],
  ] as const) {
    const clock = createFakeClock();
    const fake = createFakeRouter(clock, speaks);
    const way = { interface: 'eth0', source: '192.168.1.2', gateway: '192.168.1.1' };
    const underlay = { ...fake, opensSockets: true, routeTo: async () => way };
    const found = findMappingRouter(underlay, clock, new AbortController().signal);
    for (let i = 0; i < 100; i += 1) await clock.advance(50);
    assert.equal((await found)?.protocol, protocol);
    assert.equal(fake.entries.size, 0);
  }
});
