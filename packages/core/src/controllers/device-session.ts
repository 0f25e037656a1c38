/** Wires the controllers of one device together: what each finds out sets the others in motion. */

import { type DeviceEntry, isUnsettled, type PeerEntry } from '../peers/peer-table.js';
import { createBootstrap, setPhase } from './bootstrap/device-observer.js';
import type { Controllers } from './device-components.js';
import { createConnector } from './establish/attempt.js';
import { createEstablish } from './establish/establish.js';
import { watchRecords } from './establish/record-watch.js';
import { createEchoes } from './ping-monitor/echoes.js';
import { createPingMonitors } from './ping-monitor/monitors.js';
import { createProbe } from './ping-monitor/probe.js';
import { createPublish, wakeStores } from './publish/publish.js';
import { createNatWatch } from './refresh/nat-schedule.js';
import { openNetworkMonitor } from './refresh/network-monitor.js';
import { createRefresh } from './refresh/refresh.js';

export interface Engine {
  /** Runs until the signal in `c` aborts and all work has ended. Never rejects. */
  run(): Promise<void>;
  /** Publishes and reads everyone. */
  refresh(): Promise<void>;
  /** The device's configuration was replaced in the table: what is new is taken up, the rest is left alone. */
  reconfigured(): void;
  /** Intervals of the configuration changed: they count from now on. */
  retimed(): void;
}

export function createEngine(c: Controllers, device: DeviceEntry, stateChanged: () => void): Engine {
  const echoes = createEchoes(c.underlay, c.clock);
  let watching: Promise<AsyncDisposable> | undefined;

  const rewatch = (): void => {
    const before = watching;
    watching = (async () => {
      await (await before)?.[Symbol.asyncDispose]();
      return watchRecords(c, device, (peer) => {
        // What is more than that the next look finds (F77).
        if (peer.budget.take('read', c.clock.now()) > 0) void establish.read(device, peer);
      });
    })();
  };

  /** Discovery at once (a store is called only where it finds a change), one read, and a new series of attempts. */
  const failed = (_: DeviceEntry, peer: PeerEntry): void => {
    device.retryStep = 0;
    peer.renewalsLeft = 3;
    setPhase(c, device, peer, 'suspect');
    void publish.look(device);
    void establish.read(device, peer);
    establish.hurry(device, peer);
    rhythm.wake();
  };

  const heard = (_: DeviceEntry, peer: PeerEntry): void => {
    const first = !peer.answersEcho;
    peer.answersEcho = true;
    bootstrap.heard(device, peer);
    if (first) stateChanged();
  };

  const bootstrap = createBootstrap(c, {
    deviceChanged() {
      device.n += 1;
      rewatch();
      void rhythm.refresh();
    },
    peerChanged(_, peer) {
      if (peer.phase === 'connected') stateChanged();
      if (!isUnsettled(peer) || peer.phase === 'suspect') return;
      void establish.read(device, peer);
      establish.hurry(device, peer);
    },
    knocked(_, peer) {
      // It knocks every five seconds, also where a store bears no reading so often (F23).
      if (c.clock.now() >= peer.nextReadAt) void establish.read(device, peer, 'due');
      if (isUnsettled(peer)) void establish.connect(device, peer);
      else void probe.probe(device, peer);
    },
  });
  const connector = createConnector(c, { read: bootstrap.read, echoes, heard });
  const probe = createProbe(c, { read: bootstrap.read, kick: connector.kick, failed });
  const establish = createEstablish(c, { connector, probe: (_, peer) => void probe.probe(device, peer) });
  const monitors = createPingMonitors(c, echoes, {
    answered(_, peer, rttMs) {
      peer.rttMs = rttMs;
      heard(device, peer);
    },
    overdue: (_, peer) => void probe.probe(device, peer, true),
  });
  const network = openNetworkMonitor(c, device, {
    link: () => rhythm.wake(),
    moved: () => connector.forgetSource(device),
    changed(why) {
      if (!device.facts) return;
      c.logger.info({ device: device.name }, `${why}: looking at our address and all peers again`);
      c.emit('network', device, undefined, { why });
      device.n += 1;
      device.retryStep = 0;
      wakeStores(c, device);
      nat.changed();
      void publish.refresh(device);
      for (const peer of device.peers) {
        if (isUnsettled(peer)) establish.hurry(device, peer);
        else if (peer.phase === 'connected') void probe.probe(device, peer);
      }
    },
  });
  const publish = createPublish(c, {
    mappingChanged: establish.openTowardsAll,
    discovered: async () => (await network).settled(),
    stateChanged,
  });
  const nat = createNatWatch(c, device, () => {
    stateChanged();
    void publish.flush(device);
  });
  const rhythm = createRefresh(c, device, {
    bootstrap,
    publish,
    establish,
    silent: (_, peer) => void probe.probe(device, peer),
    beat() {
      void network.then((monitor) => monitor.checkClock());
      void echoes.tidy();
      nat.look();
    },
  });

  return {
    async run() {
      monitors.follow(device);
      await rhythm.run();
      await Promise.all([monitors.stop(), establish.stop(), publish.stop(), probe.stop(), nat.stop()]);
      await echoes[Symbol.asyncDispose]();
      await (await network)[Symbol.asyncDispose]();
      await (await watching)?.[Symbol.asyncDispose]();
    },
    refresh: () => rhythm.refresh(),
    reconfigured() {
      monitors.follow(device);
      bootstrap.reopen(device);
      rewatch();
      void rhythm.refresh();
      rhythm.wake();
    },
    retimed() {
      // Where a peer is unsettled the next discovery is near, and finds the new interval.
      if (!device.peers.some(isUnsettled))
        device.nextDiscoveryAt = c.clock.now() + (c.settings().mappingCheckMs || Number.POSITIVE_INFINITY);
      rhythm.wake();
    },
  };
}
