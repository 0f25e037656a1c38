/** The hard NATs of one device: which peers are searched for, what is sent for them, and what follows when one is open (F60 to F62). */
import type { Endpoint } from '../../api/index.js';
import type { CheckRequest } from '../../paths/check-message.js';
import type { SearchPair, SearchProgress } from '../../paths/search.js';
import { isPlan, type NoSearch, planSearch, type SearchPlan, type SearchSide } from '../../paths/search-plan.js';
import { SERIES_MS, type SearchSend } from '../../paths/search-series.js';
import { slotFrom } from '../../paths/slots.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import type { SearchStatus } from '../../peers/search-view.js';
import type { EndpointRecord } from '../../record/endpoint-record.js';
import type { DeviceComponents } from '../device-components.js';
import type { OwnStatement } from '../publish/statement.js';
import { createDiversions } from './diversions.js';
import type { SearchHost } from './search-host.js';

/** What the checks of the device know and do for it. */
export interface SearchChecks {
  /** The record in use, and `t` of ours that a store has taken. */
  known(peer: PeerEntry): { readonly record: EndpointRecord; readonly ownTime: number } | undefined;
  createId(peer: PeerEntry): Uint8Array;
  send(peer: PeerEntry, send: SearchSend): void;
  /** Ports of ours are heard too, from now on; undefined: none. */
  hear(ports: { readonly first: number; readonly last: number } | undefined): void;
  /** Packets of WireGuard's port reach the peer now: its checks begin anew. */
  opened(peer: PeerEntry, from: Endpoint, request: CheckRequest | undefined): void;
}

export interface DeviceSearch {
  /** A valid check came on a port of ours that is not WireGuard's. */
  onRequest(peer: PeerEntry, from: Endpoint, localPort: number, request: CheckRequest): void;
  /** The peer answered what no check of a path asked. */
  onAnswer(peer: PeerEntry, transactionId: Uint8Array, from: Endpoint): void;
  /** The device was read. */
  tick(): void;
  /** A record, a phase or the configuration changed. */
  changed(): void;
  stop(): Promise<void>;
}

export interface DeviceSearchComponents extends DeviceComponents {
  readonly host: SearchHost;
  readonly statement: OwnStatement;
  readonly checks: SearchChecks;
  /** Our record for this peer is to be written with a new time. */
  restate(peer: PeerEntry): void;
}

/** A record that is older than ten minutes is not believed, and a series may be five minutes away. */
const RESTATE_MS = 240_000;
/** A new record begins a new round of checks, which is not to fall into a slot. */
const BEFORE_SLOT_MS = 90_000;
const LONGEST_PERIOD_SECONDS = 300;

export function createDeviceSearch(components: DeviceSearchComponents): DeviceSearch {
  const { device, clock, logger, underlay, host, statement, checks } = components;
  const diversions = createDiversions(components);
  /** The last check of each peer on another port, for when its way is open. */
  const heard = new Map<PeerEntry, CheckRequest>();
  let ports: readonly number[] = [];
  let told = '';

  const nameOf = ({ publicKey }: PeerEntry): string => `${device.name} ${publicKey}`;
  const byName = (name: string): PeerEntry | undefined => device.peers.find((peer) => nameOf(peer) === name);
  /** What all peers are told, but for its time: made once for a look at all of them. */
  const ownSide = (): EndpointRecord | undefined => statement.record({ t: 0, n: 0 });
  const nameAndAddresses = (peer: PeerEntry, own: EndpointRecord | undefined) => {
    const theirs = checks.known(peer)?.record;
    return { name: nameOf(peer), addresses: `${own?.ipv4?.address} ${theirs?.ipv4?.address}` };
  };
  const modeOf = ({ config }: PeerEntry) => config.hardNat ?? device.config.hardNat;

  const side = ({ c, ipv4 }: EndpointRecord, wrote: number): SearchSide => ({
    code: c,
    ipv4,
    ageMs: clock.wallNow() - wrote * 1_000,
  });

  const plan = (peer: PeerEntry, own: EndpointRecord | undefined): SearchPlan | NoSearch | undefined => {
    const known = checks.known(peer);
    if (!known?.record.c || !own) return undefined;
    const [ours, theirs] = [side(own, known.ownTime), side(known.record, known.record.c.t)];
    return planSearch(ours, theirs, modeOf(peer), underlay.diverts);
  };

  const pairOf = (peer: PeerEntry, own: EndpointRecord | undefined): SearchPair | undefined => {
    if (!isUnsettled(peer) || !peer.keys || modeOf(peer) === 'off') return undefined;
    const found = plan(peer, own);
    if (!found || !isPlan(found)) return undefined;
    return { ...nameAndAddresses(peer, own), seed: peer.keys.searchSeed, plan: found };
  };

  /** Two hosts that do not meet have nothing new to tell, so their records grow old: they say again what still holds. */
  const keepYoung = (peer: PeerEntry, own: EndpointRecord | undefined): void => {
    const known = checks.known(peer);
    if (!known || !peer.keys || !isUnsettled(peer)) return;
    const wall = clock.wallNow();
    if (wall - known.ownTime * 1_000 < RESTATE_MS) return;
    const found = plan(peer, own);
    if (!found || (!isPlan(found) && !found.isOld)) return;
    const isPaused = (host.search?.pausedUntil(nameAndAddresses(peer, own)) ?? 0) > wall + RESTATE_MS;
    const slotAt = slotFrom(wall, peer.keys.searchSeed, LONGEST_PERIOD_SECONDS);
    if (!isPaused && slotAt - wall > BEFORE_SLOT_MS) components.restate(peer);
  };

  const statusOf = (peer: PeerEntry): SearchStatus | undefined => {
    const own = ownSide();
    const found = plan(peer, own);
    if (!found || (!isPlan(found) && found.isEasy)) return undefined;
    const none = { series: 0, sent: 0, of: 0 };
    if (!isPlan(found)) return { ...none, why: found.why };
    if (host.isElsewhere) return { ...none, why: 'another stunmesh of this host searches; one at a time' };
    const pair = pairOf(peer, own);
    const { search } = host;
    if (!pair || !search) return none;
    const running = search.running?.pair === pair.name ? search.running : undefined;
    if (running) return { series: running.series, sent: running.sent, of: running.of };
    const wall = clock.wallNow();
    const paused = search.pausedUntil(pair);
    const rest = paused > wall ? { pausedUntil: paused } : { nextAt: search.nextAt(pair, wall) };
    return { ...none, series: search.seriesOf(pair), ...rest };
  };

  const follow = async (progress: SearchProgress | undefined): Promise<void> => {
    ports = progress?.sourcePorts ?? [];
    heard.clear();
    const peer = progress && byName(progress.pair);
    if (progress && peer)
      logger.info(
        { device: device.name, peer: peer.name, series: progress.series },
        'opening a hard NAT: a search begins (switch: hard_nat)',
      );
    if (ports.length === 0) {
      checks.hear(undefined);
      return;
    }
    checks.hear({ first: Math.min(...ports), last: Math.max(...ports) });
    await underlay
      .hushPorts(ports, SERIES_MS)
      .catch((error) => logger.debug({ device: device.name, error }, 'closed ports are told'));
  };

  const registration = host.register({
    pairs() {
      const own = ownSide();
      return device.peers.flatMap((peer) => pairOf(peer, own) ?? []);
    },
    createId(name) {
      const peer = byName(name);
      return peer ? checks.createId(peer) : new Uint8Array(12);
    },
    send(send) {
      const peer = byName(send.pair);
      if (peer) checks.send(peer, send);
    },
    follow,
  });

  return {
    onRequest(peer, from, localPort, request) {
      if (!ports.includes(localPort)) return;
      heard.set(peer, request);
      host.search?.onRequest(clock.wallNow(), nameOf(peer), from, localPort);
      host.changed();
    },
    onAnswer(peer, transactionId, from) {
      const hit = host.search?.onAnswer(transactionId, from);
      if (!hit || byName(hit.pair) !== peer) return;
      const request = heard.get(peer);
      void (async () => {
        const { sourcePort, endpoint } = hit;
        if (sourcePort !== undefined && !(await diversions.divert(peer, sourcePort, endpoint))) return;
        checks.opened(peer, endpoint, request);
        host.changed();
      })();
    },
    tick() {
      const own = ownSide();
      // Our NAT is examined long after the start, and a host without pairs sleeps until it hears of a change.
      const { addresses, nat } = statement.told();
      const now = `${addresses} ${nat}`;
      if (now !== told) host.changed();
      told = now;
      for (const peer of device.peers) {
        peer.search ??= () => statusOf(peer);
        keepYoung(peer, own);
      }
      void diversions.tick();
    },
    changed: () => host.changed(),
    async stop() {
      registration[Symbol.dispose]();
      await diversions.tick();
    },
  };
}
