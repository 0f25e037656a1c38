/** Connectivity checks of one device: sends and answers them by WireGuard's port, and does what follows from them (F43 to F48). */
import { type Endpoint, raceAbort } from '../../api/index.js';
import { sameEndpoint } from '../../net/index.js';
import type { Times } from '../../paths/acknowledgements.js';
import type { CheckSend } from '../../paths/check-step.js';
import { PARKED } from '../../paths/session.js';
import { isUnsettled, type PeerEntry } from '../../peers/peer-table.js';
import { saneClock } from '../../record/freshness.js';
import { beginInSlices, inSlices } from '../../runtime/slices.js';
import type { DeviceComponents } from '../device-components.js';
import type { CheckExchange } from '../publish/writing.js';
import type { DeviceSearch, SearchChecks } from '../search/device-search.js';
import { createAlarm, togetherMs } from './alarm.js';
import { createCheckCandidates } from './check-candidates.js';
import { createCheckHandler } from './check-handler.js';
import { createCheckRecords } from './check-records.js';
import { createCheckSockets } from './check-sockets.js';
import { type CheckedPeer, CheckedPeers } from './checked-peers.js';
import { createListening } from './listening.js';
import { createLowTtl } from './low-ttl.js';
import { createParking } from './parking.js';
import { createSearchChecks } from './search-checks.js';
import { createSwitching } from './switching.js';
import { createTagRenewal } from './tag-renewal.js';

/** A discovery that began so long before a peer was lost tells of now. */
const LOOK_MS = 2_000;
/** Reading a record before ours is written takes no longer than this. */
const READ_MS = 500;

export interface Checks {
  /** The device was read: peers that came and went, sessions, and what is due. */
  tick(): void;
  /** The peer's phase is another one. */
  onPhase(peer: PeerEntry): void;
  /** One of its stores was read. Never rejects. */
  onRead(peer: PeerEntry): Promise<void>;
  /** What attempts to connect it use: 'today' where checks decide nothing for it, undefined where nothing is to be tried now. */
  choiceFor(peer: PeerEntry): 'today' | Endpoint | undefined;
  /** A peer was lost, and our addresses were looked at since. */
  onLooked(peer: PeerEntry): void;
  /** What is tried of peers' records may be something else now, by the configuration. Never rejects. */
  judge(): Promise<void>;
  /** News of the network, or a failed probe; resolves when our NAT is open. Never rejects. */
  restart(peers: readonly PeerEntry[], moved: boolean): Promise<void>;
  /** What writing our records has to do with checks. */
  readonly exchange: CheckExchange;
  readonly forSearch: SearchChecks;
  /** Parked endpoints are put back, and the sockets given back. */
  stop(): Promise<void>;
}

export interface ChecksComponents extends DeviceComponents {
  /** Brings the table up to date from a fresh dump. */
  read(): Promise<boolean>;
  /** Has WireGuard send the peer a packet now. Never rejects. */
  nudge(peer: PeerEntry): Promise<void>;
  /** A path is to be used: attempts begin at once. */
  connect(peer: PeerEntry): void;
  /** Its record in this store as it is now, or was a moment ago. Never rejects. */
  freshen(peer: PeerEntry, store: string): Promise<void>;
  /** Our record is to be written again for its acknowledgement. */
  rewrite(peer: PeerEntry): void;
  readonly search: Pick<DeviceSearch, 'onRequest' | 'onAnswer' | 'changed'>;
}

export function createChecks(components: ChecksComponents): Checks {
  const { device, clock, signal } = components;
  const candidates = createCheckCandidates(components);
  const parking = createParking(components);
  const switching = createSwitching(components);
  const listening = createListening(components);
  const ttl = createLowTtl(components);

  const times = (): Times & { readonly seconds: number } => {
    const [now, wall] = [clock.now(), clock.wallNow()];
    const clockSane = saneClock(wall / 1_000);
    return { now, wall, clockSane, seconds: clockSane ? wall / 1_000 : records.seconds };
  };

  const handler = createCheckHandler({
    device,
    clock,
    times,
    search: components.search,
    renewTags: () => renewTags(),
    step: (one) => void step(one),
    peers: () => peers,
    sockets: () => sockets,
  });
  const sockets = createCheckSockets({
    ...components,
    handler,
    opened() {
      for (const one of peers) void step(one);
    },
  });
  const peers = new CheckedPeers({
    ...components,
    createId: sockets.createId,
    isLan: candidates.isLan,
    preferred: candidates.preferred,
    lowTtl: ttl.of,
    left: (peer) => void parking.release(peer),
  });

  const transmit = async ({ codec }: CheckedPeer, send: CheckSend, at: ReturnType<typeof times>): Promise<void> => {
    device.checkCounts.sent += 1;
    const { ttl } = send;
    await sockets.send(
      codec.request(send, { ...at, seconds: at.wall / 1_000 }),
      send.endpoint,
      ttl === undefined ? {} : { ttl },
    );
  };

  const renewTags = createTagRenewal({ clock, signal, times, peers: () => peers, sockets: () => sockets });

  /** Does what is due for one peer; resolves when all that is sent has left. */
  const step = async (one: CheckedPeer): Promise<void> => {
    const { peer, checks } = one;
    // A reload took the peer away while others had their turn: nothing of it is parked any more.
    if (peers.get(peer) !== one) return;
    if (peer.phase === 'idle' || !sockets.ready || signal.aborted) {
      one.wakeAt = Number.POSITIVE_INFINITY;
      return;
    }
    const at = times();
    const { sends, write, use, parked, wakeAt } = checks.next(at);
    one.wakeAt = wakeAt;
    alarm.at(wakeAt);
    const sent = Promise.all(sends.map((send) => transmit(one, send, at)));
    apply(one, parked, use);
    await sent;
    if (!write || one.ownTime === undefined) return;
    const ack = checks.acknowledgement();
    if (ack === undefined) return;
    // It asks until the store has taken the record, and once is enough.
    checks.onWritten(clock.now(), { t: one.ownTime, ack }, false);
    components.rewrite(peer);
  };

  const apply = (one: CheckedPeer, parked: boolean, use: Endpoint | undefined): void => {
    const { peer } = one;
    if (peer.phase === 'connected') {
      one.use = undefined;
      if (!use) return;
      const rttMs = one.checks.paths(clock.now()).find(({ endpoint }) => sameEndpoint(endpoint, use))?.rttMs;
      void switching.move(peer, use, rttMs);
      return;
    }
    const before = one.use;
    one.use = parked ? undefined : use;
    if (parked) void parking.park(peer);
    else if (use && !sameEndpoint(before, use)) components.connect(peer);
  };

  /** Opens and closes the sockets as the configuration wants it. */
  const listen = (): void => {
    if (!device.facts || device.facts.listenPort === 0 || device.down) return;
    sockets.follow(listening.wanted() ? candidates.families() : []);
    alarm.at(listening.nextAt);
  };

  const stepDue = (): void => {
    listen();
    const now = clock.now();
    let unsettled = 0;
    for (const { peer } of peers) if (isUnsettled(peer)) unsettled += 1;
    alarm.gather(togetherMs(unsettled));
    let nextAt = Number.POSITIVE_INFINITY;
    for (const one of peers) {
      if (one.wakeAt <= now) void step(one);
      nextAt = Math.min(nextAt, one.wakeAt);
    }
    alarm.at(nextAt);
  };
  const alarm = createAlarm(clock, signal, stepDue);

  /** What the device shows of the tunnel goes into the peer's state machine. */
  const observe = ({ peer, checks }: CheckedPeer): void => {
    const { observed, life, phase } = peer;
    if (!observed) return;
    const { endpoint, keepaliveSeconds } = observed;
    checks.onSession(clock.now(), {
      connected: phase === 'connected' || phase === 'idle',
      ...(endpoint && !sameEndpoint(endpoint, PARKED) ? { endpoint } : {}),
      ...(life.handshakeMono === undefined ? {} : { handshakeAt: life.handshakeMono }),
      ...(life.lastRxAt === undefined ? {} : { receivedAt: life.lastRxAt }),
      keepalive: keepaliveSeconds > 0,
    });
  };

  const records = createCheckRecords({ ...components, candidates, parking, times, observe, step });

  /** A store that hangs keeps no record waiting for long (F13). */
  const freshen = async (peer: PeerEntry, store: string): Promise<void> => {
    using limit = clock.deadline(READ_MS, signal);
    await raceAbort(components.freshen(peer, store), limit.signal).catch(() => undefined);
  };

  const checked = (list: readonly PeerEntry[]): CheckedPeer[] => list.flatMap((peer) => peers.get(peer) ?? []);

  return {
    tick() {
      renewTags(peers.follow());
      if (sockets.ready) ttl.follow();
      for (const one of peers) {
        parking.onObserved(one.peer);
        observe(one);
      }
      stepDue();
    },
    onPhase(peer) {
      const one = peers.get(peer);
      if (!one) return;
      // That nobody needs it any more is time enough to see at the next tick: asking takes a walk over all peers.
      if (isUnsettled(peer)) listen();
      components.search.changed();
      observe(one);
      void step(one);
    },
    async onRead(peer) {
      const one = peers.get(peer);
      if (one) await records.read(one);
    },
    choiceFor(peer) {
      const one = peers.get(peer);
      return one?.checks.knowsChecks && !sockets.failed ? one.use : 'today';
    },
    async restart(list, moved) {
      if (moved) ttl.forget();
      await beginInSlices(checked(list), clock, async (one) => {
        // At once: what is found valid while the record is judged anew was found after the move.
        one.checks.restart(clock.now(), moved);
        if (moved) {
          await records.judge(one);
          one.checks.restart(clock.now(), false);
        }
        await step(one);
      });
    },
    onLooked(peer) {
      const one = peers.get(peer);
      const now = clock.now();
      // One discovery serves all peers that are lost within two seconds (F15).
      const looked = device.candidates.filter(
        ({ type, at }) => type === 'reflexive' && at >= peer.phaseSince - LOOK_MS,
      );
      const families = new Set(looked.map(({ endpoint }) => endpoint.family));
      if (!one || device.discovering || families.size === 0) return;
      one.checks.onUnmoved(now, families);
      void step(one);
    },
    async judge() {
      await inSlices([...peers], clock, async (one) => {
        await records.judge(one);
        await step(one);
      });
    },
    exchange: {
      async beforeWrite(peer, store) {
        const one = peers.get(peer);
        if (!one || !sockets.ready) return;
        await freshen(peer, store);
        observe(one);
        await step(one);
      },
      acknowledgement: (peer) => peers.get(peer)?.checks.acknowledgement(),
      written(peer, record, renewed) {
        const one = peers.get(peer);
        if (!one) return;
        one.ownTime = record.t;
        one.checks.onWritten(clock.now(), record, renewed);
        void step(one);
      },
    },
    forSearch: createSearchChecks({
      peers,
      sockets,
      times,
      step,
      lowTtl: () => ttl.of(4),
      count() {
        device.checkCounts.searched += 1;
      },
    }),
    async stop() {
      alarm.stop();
      await Promise.all([switching.stop(), ttl.stop()]);
      await parking.restore();
      await sockets.stop();
    },
  };
}
