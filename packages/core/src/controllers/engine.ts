/** Wires the controllers together: what each finds out sets the others in motion. */
import { createBootstrap, setPhase } from './bootstrap.js';
import { createConnector } from './connect.js';
import type { Controllers } from './context.js';
import { createEchoes } from './echo.js';
import { createEstablish } from './establish.js';
import { openNetworkMonitor } from './network-monitor.js';
import { type DeviceEntry, isUnsettled, type PeerEntry } from './peer-table.js';
import { monitorPeer } from './ping-monitor.js';
import { createProbe } from './probe.js';
import { createPublish } from './publish.js';
import { createRefresh, type Refresh } from './refresh.js';
import { watchRecords } from './watch.js';

export interface Engine {
  /** Runs until the signal in `c` aborts and all work has ended. Never rejects. */
  run(): Promise<void>;
  /** A full refresh of every device. */
  refresh(): Promise<void>;
}

export function createEngine(c: Controllers, devices: readonly DeviceEntry[], stateChanged: (device: DeviceEntry) => void): Engine {
  const rhythms = new Map<DeviceEntry, Refresh>();
  const watches = new Map<DeviceEntry, Promise<AsyncDisposable>>();
  const echoes = createEchoes(c.capture, c.clock);

  /** Discovery at once (a store is called only where it finds a change), one read, and a new series of attempts. */
  const failed = (device: DeviceEntry, peer: PeerEntry): void => {
    device.retryStep = 0;
    peer.renewalsLeft = 3;
    setPhase(c, device, peer, 'suspect');
    void publish.refresh(device);
    void establish.read(device, peer);
    establish.hurry(device, peer);
    rhythms.get(device)?.wake();
  };

  const heard = (device: DeviceEntry, peer: PeerEntry): void => {
    peer.answersEcho = true;
    bootstrap.heard(device, peer);
  };

  const bootstrap = createBootstrap(c, {
    deviceChanged(device) {
      device.n += 1;
      rewatch(device);
      void rhythms.get(device)?.refresh();
    },
    peerChanged(device, peer) {
      if (peer.phase === 'connected') stateChanged(device);
      if (!isUnsettled(peer) || peer.phase === 'suspect') return;
      void establish.read(device, peer);
      establish.hurry(device, peer);
    },
    knocked(device, peer) {
      void establish.read(device, peer);
      if (isUnsettled(peer)) void establish.connect(device, peer);
      else void probe.probe(device, peer);
    },
  });
  const connector = createConnector(c, { read: bootstrap.read, echoes, heard });
  const probe = createProbe(c, { read: bootstrap.read, kick: connector.kick, failed });
  const establish = createEstablish(c, { connector, probe: (device, peer) => void probe.probe(device, peer), failed });
  const network = openNetworkMonitor(c, () => devices, {
    link() {
      for (const rhythm of rhythms.values()) rhythm.wake();
    },
    changed(device, why) {
      if (!device.facts) return;
      c.logger.info({ device: device.name }, `${why}: looking at our address and all peers again`);
      c.emit('network', device, undefined, { why });
      device.n += 1;
      device.retryStep = 0;
      void publish.refresh(device);
      for (const peer of device.peers) {
        if (isUnsettled(peer)) establish.hurry(device, peer);
        else if (peer.phase === 'connected') void probe.probe(device, peer);
      }
    },
  });
  const publish = createPublish(c, {
    mappingChanged: establish.openTowardsAll,
    discovered: async (device) => (await network).settled(device),
    stateChanged,
  });
  for (const device of devices) {
    rhythms.set(
      device,
      createRefresh(c, device, {
        bootstrap,
        publish,
        establish,
        silent: (_, peer) => void probe.probe(device, peer),
        beat() {
          void network.then((monitor) => monitor.checkClock());
          void echoes.tidy();
        },
      }),
    );
  }

  const rewatch = (device: DeviceEntry): void => {
    const before = watches.get(device);
    watches.set(
      device,
      (async () => {
        await (await before)?.[Symbol.asyncDispose]();
        return watchRecords(c, device, (peer) => void establish.read(device, peer));
      })(),
    );
  };

  const ping = (device: DeviceEntry, peer: PeerEntry): Promise<void> =>
    monitorPeer(
      c,
      echoes,
      {
        answered(_, __, rttMs) {
          peer.rttMs = rttMs;
          heard(device, peer);
        },
        overdue: () => void probe.probe(device, peer, true),
      },
      device,
      peer,
      c.signal,
    );

  return {
    async run() {
      const monitored = devices.flatMap((device) => device.peers.filter((peer) => peer.config.ping.enabled).map((peer) => ping(device, peer)));
      await Promise.all([...[...rhythms.values()].map((rhythm) => rhythm.run()), ...monitored]);
      await Promise.all([establish.stop(), publish.stop(), probe.stop()]);
      await echoes[Symbol.asyncDispose]();
      await (await network)[Symbol.asyncDispose]();
      for (const watch of watches.values()) await (await watch)[Symbol.asyncDispose]();
    },
    async refresh() {
      await Promise.all([...rhythms.values()].map((rhythm) => rhythm.refresh()));
    },
  };
}
