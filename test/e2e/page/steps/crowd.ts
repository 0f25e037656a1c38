/** A daemon with many peers as its snapshots show it, with a day behind it, served by the real page over the real HTTP server. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Clock } from '@stunmesh/core/api';
import type { Snapshot } from '../../../../packages/core/dist/control/snapshot.js';
import type { DeviceEntry } from '../../../../packages/core/dist/peers/peer-table.js';
import { ROOT } from '../../../architecture/source.js';

type PageModule = typeof import('../../../../packages/core/dist/page/status-page.js');
type HttpModule = typeof import('../../../../packages/core/dist/telemetry/http-pages.js');
type TestingModule = typeof import('@stunmesh/core/testing');
type PeerSnapshot = Snapshot['devices'][number]['peers'][number];
type Phase = PeerSnapshot['phase'];

const load = <T>(path: string): Promise<T> => import(pathToFileURL(join(ROOT, 'packages/core/dist', path)).href);
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** What became of those that are not connected. */
const LOST: readonly Phase[] = ['connecting', 'waiting', 'suspect'];
const PLACES = [
  'office',
  'cabin',
  'van',
  'attic',
  'lab',
  'harbour',
  'mill',
  'depot',
  'clinic',
  'studio',
  'barn',
  'tower',
];

interface Entry {
  readonly name: string;
  phase: Phase;
  rttMs: number | undefined;
  /** Since when it is in its phase. */
  since: number;
}

export interface Served extends AsyncDisposable {
  readonly url: string;
}

/** Numbers that look like chance and are the same each time. */
function createChance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** `names`: what the first peers are called instead. */
export async function serveCrowd(peers: number, names: readonly string[] = []): Promise<Served> {
  const [{ openStatusPage }, { openHttpPages }, { createFakeClock, createSystemClock }] = await Promise.all([
    load<PageModule>('page/status-page.js'),
    load<HttpModule>('telemetry/http-pages.js'),
    load<TestingModule>('testing/index.js'),
  ]);
  const chance = createChance(7);
  const end = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const past = createFakeClock(end - DAY_MS);
  // A day in no time; then time goes by as it does.
  const system = createSystemClock();
  let present: number | undefined;
  const clock: Clock = {
    ...past,
    wallNow: () => (present === undefined ? past.wallNow() : system.wallNow()),
    now: () => (present === undefined ? past.now() : past.now() + system.now() - present),
    sleep: (ms, signal) => (present === undefined ? past : system).sleep(ms, signal),
  };
  const entries = Array.from({ length: peers }, (_, i) => {
    const name = names[i] ?? `${PLACES[i % PLACES.length]}-${String(i + 1).padStart(3, '0')}`;
    return {
      name,
      phase: 'connected' as Phase,
      rttMs: undefined as number | undefined,
      since: end - DAY_MS,
      base: 4 + chance() ** 2 * 120,
    };
  });
  const device = { name: 'wg0', peers: entries } as unknown as DeviceEntry;
  const page = openStatusPage({
    clock,
    startedAt: end - 4 * DAY_MS,
    entries: () => [device],
    configured: () => ['wg0'],
    snapshot: () => snapshotOf(entries, end),
    stores: () => storesOf(end),
  });
  const enter = (peer: Entry, to: Phase) => {
    if (peer.phase === to) return;
    peer.phase = to;
    peer.since = clock.wallNow();
    page.event({ event: 'phase', device: 'wg0', peer: peer.name, to });
  };
  const isBad = (i: number) => i < 3 || i % 97 === 11;
  for (let minute = 0; minute < 1440; minute += 5) {
    entries.forEach((peer, i) => {
      const evening = 1 + 0.5 * Math.max(0, Math.sin(((minute - 500) / 1440) * 2 * Math.PI)) + (chance() - 0.5) * 0.3;
      peer.rttMs = peer.phase === 'connected' ? peer.base * evening : undefined;
      const isLost = isBad(i) && minute > 1440 - 60 * (1 + (i % 5));
      if (isLost) enter(peer, LOST[i % 3] ?? 'suspect');
      else if (peer.phase !== 'connected' && (chance() < 0.5 || minute === 1435)) enter(peer, 'connected');
      else if (minute < 1435 && chance() < 0.0012 * (i % 7)) enter(peer, chance() < 0.5 ? 'suspect' : 'connecting');
    });
    await past.advance(5 * MINUTE_MS);
  }
  present = system.now();
  const pages = await openHttpPages({ family: 4, address: '127.0.0.1', port: 0 }, page.pages);
  return {
    url: `http://127.0.0.1:${pages.address.port}/`,
    async [Symbol.asyncDispose]() {
      page[Symbol.dispose]();
      await pages[Symbol.asyncDispose]();
    },
  };
}

function snapshotOf(entries: readonly Entry[], now: number): Snapshot {
  return {
    type: 'snapshot',
    version: 1,
    stunmesh: '0.1.0',
    pid: 812,
    startedAt: now - 4 * DAY_MS,
    clockSane: true,
    stores: storesOf(now),
    devices: [
      {
        name: 'wg0',
        state: 'up',
        publicKey: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=',
        listenPort: 51820,
        firewallMark: 0,
        reflexive: { ipv4: '203.0.113.9:51820', ipv6: '[2001:db8:9::1]:51820' },
        candidates: [
          { type: 'reflexive', endpoint: '203.0.113.9:51820', foundBy: 'stun.example.net:3478' },
          { type: 'host', endpoint: '192.168.1.20:51820', foundBy: 'eth0' },
        ],
        discoveries: 12,
        errors: [],
        peers: entries.map((entry, i) => peerOf(entry, i, now)),
      },
    ],
  };
}

function peerOf({ name, phase, rttMs, since }: Entry, i: number, now: number): PeerSnapshot {
  const endpoint = `198.51.100.${1 + (i % 250)}:${40_000 + i}`;
  const rtt = rttMs === undefined ? {} : { rttMs: Math.round(rttMs * 10) / 10 };
  const used = { endpoint, class: 'ipv4' as const, state: 'valid' as const, ...rtt };
  const other = {
    endpoint: `10.7.${i % 250}.5:51820`,
    class: 'lan' as const,
    state: 'refused' as const,
    why: 'not on a link of ours, nor inside a prefix of lan',
  };
  const silent = {
    endpoint,
    class: 'ipv4' as const,
    state: 'failed' as const,
    why: 'no answer: stunmesh does not run there, or a firewall in between drops it',
  };
  const isUp = phase === 'connected';
  return {
    name,
    publicKey: 'xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=',
    phase,
    phaseForMs: now - since,
    present: true,
    ...(phase === 'waiting' ? {} : { endpoint, latestHandshakeAt: (isUp ? now : since) - (i % 120) * 1000 }),
    rxBytes: 4_000_000 * (i + 1),
    txBytes: 2_500_000 * (i + 1),
    keepaliveSeconds: 25,
    ...rtt,
    probes: i % 5,
    paths: phase === 'waiting' ? [] : [isUp ? used : silent, other],
    ...(isUp ? { path: used } : {}),
    ...(phase === 'waiting'
      ? {}
      : {
          record: {
            store: 'shared',
            readAt: now - 5_000,
            t: Math.floor(now / 1000) - 300 - i,
            ipv4: endpoint,
            nat: '4ep',
          },
        }),
    published: {
      store: 'shared',
      at: now - 240_000,
      t: Math.floor(now / 1000) - 240,
      ipv4: '203.0.113.9:51820',
      omitted: [],
    },
    endpointWrites: 2 + (i % 3),
    renewals: i % 2,
    reads: 40 + i,
  };
}

function storesOf(now: number): Snapshot['stores'] {
  const lastError = {
    code: 'ERR_STORE_UNAVAILABLE',
    message: 'redis at store.example.org:6379 refused the connection',
    at: now - 20_000,
  };
  return [
    { name: 'shared', gets: 18_240, sets: 1_204, failures: 0, state: 'up' },
    { name: 'backup', gets: 9_120, sets: 602, failures: 31, state: 'down', retryAt: now + 150_000, lastError },
  ];
}
