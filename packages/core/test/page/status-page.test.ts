/** /status.json and the page: what it tells of a daemon with faults, and that nobody but this host reads a key or an address in it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { DeviceSnapshot, PeerSnapshot, Snapshot, StoreSnapshot } from '#src/control/snapshot.js';
import { REMEDIES } from '#src/doctor/remedies.js';
import type { PeerDetail } from '#src/page/peer-detail.js';
import { openStatusPage } from '#src/page/status-page.js';
import type { StatusView } from '#src/page/status-view.js';
import { openTimeline } from '#src/page/timeline.js';
import type { DeviceEntry } from '#src/peers/peer-table.js';
import type { Page } from '#src/telemetry/http-pages.js';
import { createFakeClock } from '#src/testing/index.js';

const KEY = 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=';
/** Stands wherever an address can: in endpoints, messages, notes. */
const ADDRESS = '203.0.113.77';
const AT = `${ADDRESS}:40001`;
const fault = (code: string) => ({ code, message: `${AT} refused`, at: 1 });

function peer(name: string, change: Partial<PeerSnapshot> = {}): PeerSnapshot {
  return {
    name,
    publicKey: KEY,
    phase: 'connected',
    phaseForMs: 60_000,
    present: true,
    endpoint: AT,
    latestHandshakeAt: 5,
    rxBytes: 1,
    txBytes: 2,
    keepaliveSeconds: 25,
    rttMs: 12.34,
    probes: 0,
    paths: [{ endpoint: AT, class: 'ipv4', state: 'failed', why: 'no answer' }],
    path: { endpoint: AT, class: 'ipv4', state: 'valid' },
    record: { store: 'main', readAt: 1, t: 1, ipv4: AT },
    published: { store: 'main', at: 1, t: 1, ipv4: AT, omitted: ['lan4'] },
    diverted: { sourcePort: 1, endpoint: AT },
    endpointWrites: 1,
    renewals: 0,
    reads: 1,
    ...change,
  };
}

const STORE: StoreSnapshot = {
  name: 'main',
  gets: 1,
  sets: 1,
  failures: 1,
  state: 'down',
  retryAt: 9,
  lastError: fault('ERR_STORE_UNAVAILABLE'),
  note: `answers from ${AT}`,
};
const DEVICE: DeviceSnapshot = {
  name: 'wg0',
  state: 'up',
  publicKey: KEY,
  listenPort: 51820,
  firewallMark: 0,
  reflexive: { ipv4: AT },
  candidates: [{ type: 'host', endpoint: AT, foundBy: 'eth0' }],
  portMapping: {
    state: 'failed',
    mappings: [{ family: 'ipv4', protocol: 'pcp', gateway: ADDRESS, endpoint: AT }],
    error: fault('ERR_PORTMAP_NONE'),
  },
  discoveries: 1,
  errors: [{ of: 'ipv4', ...fault('ERR_STUN_NO_RESPONSE') }],
  peers: [
    peer('well'),
    peer('<b>bold</b>', { lastError: fault('ERR_RECORD_MALFORMED') }),
    peer('away', { phase: 'waiting' }),
  ],
};

function open(t: TestContext, device = DEVICE) {
  const clock = createFakeClock();
  const entry = { name: 'wg0', peers: device.peers } as unknown as DeviceEntry;
  let looks = 0;
  const page = openStatusPage({
    clock,
    startedAt: 0,
    entries: () => [entry],
    configured: () => ['wg0', 'wg7'],
    snapshot(): Snapshot {
      looks += 1;
      const head = { type: 'snapshot', version: 1, stunmesh: '0', pid: 1, startedAt: 0, clockSane: false } as const;
      return { ...head, devices: [device], stores: [STORE] };
    },
    stores: () => [STORE],
  });
  t.after(() => page[Symbol.dispose]());
  const bodyOf = async (path: string, query = '', headers: Headers = LOCAL) =>
    (await page.pages[path]?.({ ...asked(query), headers }))?.body ?? '';
  const ask = async (query?: string, headers?: Headers) => textOf(await bodyOf('/status.json', query, headers));
  return { clock, page, ask, bodyOf, looks: () => looks };
}

type Headers = Readonly<Record<string, string>>;
const LOCAL = { host: 'localhost:9586' };
const asked = (query = '') => ({
  query: new URLSearchParams(query),
  from: '127.0.0.1',
  headers: {},
  httpVersion: '1.1',
});
const textOf = (body: Page['body']) => (typeof body === 'string' ? body : body.plain.toString());

const view = (body: string) => JSON.parse(body) as StatusView;

test('to this host: devices, peers with what is wrong first, stores, the words of status and the remedies of doctor', async (t) => {
  const { ask } = open(t);
  const { full, summary, wrong, devices, stores, remedies } = view(await ask());
  assert.equal(full, true);
  assert.equal(summary, '1 device, 2 of 3 peers connected, 1 of 1 store down');
  assert.deepEqual(wrong, [
    { of: 'clock', text: 'the clock of this host is not set; records are numbered on from the last ones' },
    { of: 'wg7', text: 'not taken up; the log says why, and a reload or restart tries again' },
    { of: 'wg0 ipv4', text: `${AT} refused`, code: 'ERR_STUN_NO_RESPONSE' },
    { of: 'wg0 port_mapping', text: `${AT} refused`, code: 'ERR_PORTMAP_NONE' },
    { of: 'store main', text: `${AT} refused`, code: 'ERR_STORE_UNAVAILABLE' },
  ]);
  const peers = devices[0]?.peers ?? [];
  assert.deepEqual(
    peers.map(({ name, well, wrong: trouble }) => [name, well, trouble?.code ?? trouble?.text?.slice(0, 25)]),
    [
      ['away', false, 'no record of the peer yet'],
      ['<b>bold</b>', false, 'ERR_RECORD_MALFORMED'],
      ['well', true, undefined],
    ],
  );
  assert.deepEqual([peers[2]?.path, peers[2]?.rttMs, peers[2]?.endpoint], ['IPv4', 12.3, AT]);
  assert.equal(stores[0]?.note, `answers from ${AT}`);
  assert.equal(remedies['ERR_RECORD_MALFORMED'], REMEDIES['ERR_RECORD_MALFORMED']);
  assert.equal(Object.keys(remedies).length, 4);
});

test('to everybody else: names, phases, round trips and remedies; no key and no address, in no answer', async (t) => {
  const { ask } = open(t);
  const strangers = { host: 'evil.example:9586' };
  const body = await ask('', strangers);
  const { full, devices, wrong, remedies } = view(body);
  assert.equal(full, false);
  assert.deepEqual(wrong.at(-1), { of: 'store main', code: 'ERR_STORE_UNAVAILABLE' });
  assert.equal(devices[0]?.peers[2]?.rttMs, 12.3);
  assert.ok(remedies['ERR_STORE_UNAVAILABLE']);
  for (const { name } of DEVICE.peers) {
    const query = new URLSearchParams({ device: 'wg0', peer: name }).toString();
    const own = await ask(query);
    assert.ok(own.includes(KEY) && own.includes(AT), own);
    const theirs = await ask(query, strangers);
    assert.equal((JSON.parse(theirs) as PeerDetail).paths[0]?.class, 'IPv4');
    for (const text of [body, theirs]) assert.ok(!text.includes(KEY) && !text.includes(ADDRESS), text);
  }
});

test('whoever asks often gets the same look for a second; then a new one, and nothing of it is kept', async (t) => {
  const { ask, clock, looks } = open(t);
  for (let times = 0; times < 50; times += 1) await ask(times % 2 === 0 ? '' : 'timeline=no');
  await ask('device=wg0&peer=well');
  assert.equal(looks(), 1);
  await clock.advance(1_001);
  assert.equal(clock.pending, 1);
  await ask();
  assert.equal(looks(), 2);
});

test('all answers of one look share its bytes, compressed once; so do all of the page', async (t) => {
  const { bodyOf, clock } = open(t);
  for (const path of ['/status.json', '/']) {
    const [one, two] = await Promise.all([bodyOf(path), bodyOf(path)]);
    assert.ok(typeof one !== 'string' && typeof two !== 'string', path);
    assert.equal(one.plain, two.plain);
    assert.equal(await one.gzipped(), await two.gzipped());
    assert.deepEqual(gunzipSync(await one.gzipped()), one.plain);
    const strangers = await bodyOf(path, '', { host: 'evil.example' });
    assert.equal(strangers === one, path === '/');
  }
  const before = await bodyOf('/status.json');
  await clock.advance(1_001);
  assert.notEqual(await bodyOf('/status.json'), before);
});

test('an answer of thousands of peers is made in turns of the event loop, once for all who ask', async (t) => {
  const peers = Array.from({ length: 1_000 }, (_, i) => peer(`peer-${i}`));
  const { ask, clock, looks } = open(t, { ...DEVICE, peers });
  const answers = Promise.all([ask(), ask()]);
  const soon = await Promise.race([answers, new Promise((resolve) => setImmediate(resolve, 'not yet'))]);
  assert.equal(soon, 'not yet');
  for (let turns = 0; turns < 8; turns += 1) await clock.advance(0);
  const [one, two] = await answers;
  assert.equal(one, two);
  assert.equal(view(one).devices[0]?.peers.length, 1_000);
  assert.equal(looks(), 1);
});

test('a timeline of phases, from events, and of round trips, from a look a minute; none where it is not asked for', async (t) => {
  const { ask, clock, page } = open(t);
  await clock.advance(9 * 60_000);
  page.event({ event: 'phase', device: 'wg0', peer: 'well', to: 'suspect' });
  page.event({ event: 'phase', device: 'wg0', peer: 'nobody', to: 'suspect' });
  page.event({ event: 'record', device: 'wg0', peer: 'well' });
  await clock.advance(30_000);
  page.event({ event: 'phase', device: 'wg0', peer: 'well', to: 'connected' });
  const { timeline, devices } = view(await ask());
  assert.equal(timeline?.partMs, 600_000);
  assert.equal(timeline?.endsAt, clock.wallNow() + 30_000);
  const well = devices[0]?.peers[2]?.timeline;
  assert.equal(well?.phases, '-143s1');
  assert.equal(well?.lost.length, 1);
  assert.ok((Buffer.from(well?.rtt ?? '', 'base64')[143] ?? 0) > 90);
  assert.equal(view(await ask('timeline=no')).devices[0]?.peers[2]?.timeline, undefined);
  page[Symbol.dispose]();
  await clock.advance(0);
  assert.equal(clock.pending, 0);
});

test('the page is one text that asks nobody but this address, and lets nothing else run', async (t) => {
  const { page } = open(t);
  const request = { ...asked(), from: '192.0.2.1' };
  const { body: bytes, headers, type } = (await page.pages['/']?.(request)) ?? { body: '', type: '' };
  const body = textOf(bytes);
  assert.equal(type, 'text/html; charset=utf-8');
  const policy = headers?.['Content-Security-Policy'] ?? '';
  assert.match(policy, /^default-src 'none'; style-src 'sha256-\S+'; script-src 'sha256-\S+'; connect-src 'self'; /);
  assert.match(policy, /base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/);
  assert.doesNotMatch(policy, /unsafe|\*/);
  const outside = [...body.matchAll(/https?:\/\/[^'"\s)]+/g)].map(([url]) => url);
  assert.deepEqual([...new Set(outside)], ['http://www.w3.org/2000/svg']);
  assert.doesNotMatch(body, /\son[a-z]+\s*=\s*["']|\.innerHTML|insertAdjacentHTML|\beval\(|document\.write|style="/);
  assert.ok(body.length < 40_000, `${body.length} characters`);
});

test('a peer of a device that was taken up since the last look has a past from its first phase on', async (t) => {
  const clock = createFakeClock();
  const timeline = openTimeline({ clock, entries: () => [] });
  t.after(() => timeline[Symbol.dispose]());
  timeline.event({ event: 'phase', device: 'wg0', peer: 'new', from: 'waiting', to: 'connected' });
  assert.equal(timeline.of('wg0', 'new')?.phases, '-143w1');
  await clock.advance(60_000);
  assert.equal(timeline.of('wg0', 'new'), undefined);
});

test('an unknown peer is not found', async (t) => {
  const { page } = open(t);
  const ask = (query: string) => page.pages['/status.json']?.(asked(query));
  for (const query of ['device=wg0&peer=nobody', 'device=wg9&peer=well', 'device=__proto__&peer=constructor'])
    assert.equal((await ask(query))?.status, 404);
});
