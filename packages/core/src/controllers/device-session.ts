/** Wires the controllers of one device together: what each finds out sets the others in motion. */

import { MOST_RENEWALS } from '../peers/attempt-series.js';
import { createFaults } from '../peers/faults.js';
import { isUnsettled, type PeerEntry } from '../peers/peer-table.js';
import { createPhases } from '../peers/phase.js';
import { createDeviceObserver, type DeviceChange } from './bootstrap/device-observer.js';
import { createPeerObserver } from './bootstrap/peer-observer.js';
import { createChecks } from './checks/checks.js';
import type { DeviceComponents, DeviceSurroundings } from './device-components.js';
import { createAttempts } from './establish/attempt.js';
import { createChoosing } from './establish/choosing.js';
import { createEstablish } from './establish/establish.js';
import { createHandshakeTrigger } from './establish/handshake-trigger.js';
import { createPunch } from './establish/punch.js';
import { createReading } from './establish/reading.js';
import { createRecordWatches } from './establish/record-watches.js';
import { createEchoes } from './ping-monitor/echoes.js';
import { createPingMonitors } from './ping-monitor/monitors.js';
import { createProbe } from './ping-monitor/probe.js';
import { createPortMapping } from './port-mapping/port-mapping.js';
import { createDiscoverySchedule } from './publish/discovery-schedule.js';
import { createGather } from './publish/gather.js';
import { createLocalCandidates } from './publish/local-candidates.js';
import { createOwnRecord } from './publish/own-record.js';
import { createOwnRecordChecks } from './publish/own-record-checks.js';
import { createPublish } from './publish/publish.js';
import { createStatement } from './publish/statement.js';
import { createWriting } from './publish/writing.js';
import { createNatSchedule } from './refresh/nat-schedule.js';
import { openNetworkMonitor } from './refresh/network-monitor.js';
import { createRefresh } from './refresh/refresh.js';
import { createDeviceSearch } from './search/device-search.js';

export interface DeviceSession {
  /** Runs until the signal aborts and all work has ended. Never rejects. */
  run(): Promise<void>;
  /** Publishes and reads everyone. */
  refresh(): Promise<void>;
  /** The device's configuration was replaced in the table: what is new is taken up, the rest is left alone. */
  reconfigured(): void;
  /** Intervals of the configuration changed: they count from now on. */
  retimed(): void;
}

export function createDeviceSession(surroundings: DeviceSurroundings): DeviceSession {
  const { device, clock, logger, emit, stateChanged } = surroundings;
  const phases = createPhases(surroundings);
  const components: DeviceComponents = { ...surroundings, phases, faults: createFaults(surroundings) };
  const echoes = createEchoes(surroundings.underlay, clock);

  /** All that follows from a reading of the device, or from an answered echo, follows here. */
  const react = (change: DeviceChange): void => {
    if (change.kind === 'device') {
      device.generation += 1;
      watches.rewatch();
      void rhythm.refresh();
      return;
    }
    const { peer } = change;
    if (change.kind === 'inbound') {
      // It begins a handshake every five seconds, also where a store allows no reading so often (F23).
      void reading.read(peer, 'sign');
      if (isUnsettled(peer)) void choosing.connect(peer);
      else void probe.probe(peer);
      return;
    }
    connectivity.onPhase(peer);
    if (peer.phase === 'connected') {
      stateChanged();
      // The other side has set the path and begun: whether the peer answers echoes is learnt now, or its death would be seen late.
      if (!peer.answersEcho && connectivity.choiceFor(peer) !== 'today') void handshake.trigger(peer);
    }
    if (!isUnsettled(peer) || peer.phase === 'suspect') return;
    void reading.read(peer);
    choosing.restartAttempts(peer);
  };
  const onEchoReply = (peer: PeerEntry): void => {
    const first = !peer.answersEcho;
    peer.answersEcho = true;
    for (const change of peers.onEchoReply(peer)) react(change);
    // Its handshake is newer than the last reading.
    if (isUnsettled(peer)) void observer.read();
    if (first) stateChanged();
  };

  /** Discovery at once (a store is called only where it finds a change), one read, and a new series of attempts. */
  const failed = (peer: PeerEntry): void => {
    schedule.restart();
    phases.set(peer, 'suspect');
    connectivity.onPhase(peer);
    void publish.look().then(() => connectivity.onLooked(peer));
    void reading.read(peer);
    // It may have gone over to another host that has our key.
    void checks.soon(peer);
    choosing.restartAttempts(peer, MOST_RENEWALS);
    rhythm.wake();
  };

  const networkChanged = (why: string): void => {
    if (!device.facts) return;
    logger.info({ device: device.name }, `${why}: looking at our address and all peers again`);
    emit('network', undefined, { why });
    device.generation += 1;
    schedule.restart();
    publish.wakeStores();
    nat.changed();
    void connectivity.restart(device.peers, true);
    portMapping.networkChanged();
    void publish.refresh();
    for (const peer of device.peers) {
      if (isUnsettled(peer)) choosing.restartAttempts(peer);
      else if (peer.phase === 'connected') void probe.probe(peer);
    }
  };

  const peers = createPeerObserver(components);
  const observer = createDeviceObserver({ ...components, peers, onChange: react });
  const { read } = observer;
  const punch = createPunch(components);
  const handshake = createHandshakeTrigger({ ...components, echoes, onEchoReply });
  const attempts = createAttempts({ ...components, read, punch, handshake });
  const probe = createProbe({ ...components, read, handshake, failed });
  const connectivity = createChecks({
    ...components,
    read,
    nudge: handshake.trigger,
    connect: (peer) => choosing.restartAttempts(peer),
    freshen: (peer, store) => reading.freshen(peer, store),
    rewrite: (peer) => void publish.rewrite(peer),
    search: {
      onRequest: (...heard) => search.onRequest(...heard),
      onAnswer: (...heard) => search.onAnswer(...heard),
      changed: () => search.changed(),
    },
  });
  const search = createDeviceSearch({
    ...components,
    host: surroundings.searchHost,
    statement: createStatement(components),
    checks: connectivity.forSearch,
    restate: (peer) => void publish.restate(peer),
  });
  const watches = createRecordWatches({
    ...components,
    on: {
      changed(peer, store) {
        // What is more than that waits for its turn (F77).
        if (peer.budget.take('read', clock.now()) > 0) void reading.readFrom(peer, store);
        else reading.owed(peer, store);
      },
      turned(store, of) {
        if (reading.turned(store, of)) rhythm.wake();
      },
      shared: (store) => checks.shared(store),
    },
  });
  const reading = createReading({
    ...components,
    watches,
    onRead: connectivity.onRead,
    onRecord: (peer, record) => establish.onRecord(peer, record),
    onLoss: (peer) => void checks.soon(peer),
  });
  const choosing = createChoosing({ ...components, attempts, reading, checks: connectivity });
  const establish = createEstablish({
    ...components,
    choosing,
    punch,
    handshake,
    checks: connectivity,
    probe: (peer) => void probe.probe(peer),
  });
  const monitors = createPingMonitors({
    ...components,
    echoes,
    on: {
      answered(peer, rttMs) {
        peer.rttMs = rttMs;
        onEchoReply(peer);
      },
      late(peer) {
        // Has the NAT in front of us moved? Whoever waits for the ping's timeout to ask loses that time.
        if (peer.phase === 'connected' && peer.budget.take('look', clock.now()) > 0) void publish.look();
      },
      overdue: (peer) => void probe.probe(peer, true),
    },
  });
  const network = openNetworkMonitor({
    ...components,
    on: { link: () => rhythm.wake(), moved: attempts.refreshSource, changed: networkChanged },
  });
  const schedule = createDiscoverySchedule(components);
  const ownRecord = createOwnRecord(components);
  const portMapping = createPortMapping({ ...components, onChange: () => void publish.flush() });
  const publish = createPublish({
    ...components,
    gather: createGather({
      ...components,
      local: createLocalCandidates({ ...components, late: () => void publish.flush() }),
      outvoted: () => void publish.refresh(),
    }),
    schedule,
    writing: createWriting({ ...components, ownRecord, exchange: connectivity.exchange }),
    mappingChanged: establish.punchAll,
    async discovered() {
      await (await network).settled();
      await portMapping.discovered();
    },
  });
  const checks = createOwnRecordChecks({ ...components, ownRecord, watches, lost: () => void publish.flush() });
  const nat = createNatSchedule({
    ...components,
    onNews() {
      stateChanged();
      void publish.flush();
    },
  });
  const rhythm = createRefresh({
    ...components,
    observer,
    publish,
    checks,
    schedule,
    reading,
    choosing,
    silent: (peer) => void probe.probe(peer),
    tick() {
      void network.then((monitor) => monitor.checkClock());
      void echoes.tidy();
      connectivity.tick();
      search.tick();
      nat.look();
      portMapping.tick();
      watches.tick();
    },
    tickDueAt: () => Math.min(portMapping.dueAt, watches.dueAt),
  });

  return {
    async run() {
      monitors.follow();
      await rhythm.run();
      await Promise.all([monitors, reading, choosing, publish, probe, nat, portMapping].map((one) => one.stop()));
      await search.stop();
      await connectivity.stop();
      await echoes[Symbol.asyncDispose]();
      await (await network)[Symbol.asyncDispose]();
      await watches[Symbol.asyncDispose]();
    },
    refresh: () => rhythm.refresh(),
    reconfigured() {
      // A search that is switched off ends with this very packet, not with the next look at its pairs (F62).
      search.changed();
      monitors.follow();
      void observer.reopen().then(() => {
        if (surroundings.signal.aborted) return;
        void connectivity.judge();
        watches.rewatch();
        portMapping.reconfigured();
        void rhythm.refresh();
        rhythm.wake();
      });
    },
    retimed() {
      schedule.retimed();
      rhythm.wake();
    },
  };
}
