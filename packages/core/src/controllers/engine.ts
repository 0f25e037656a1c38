/** Wires the controllers together: what each finds out sets the others in motion. */
import { createBootstrap } from './bootstrap.js';
import { createConnector } from './connect.js';
import type { Controllers } from './context.js';
import { createEstablish } from './establish.js';
import { type DeviceEntry, isUnsettled } from './peer-table.js';
import { createPublish } from './publish.js';
import { createRefresh, type Refresh } from './refresh.js';
import { watchRecords } from './watch.js';

export interface Engine {
  /** Runs until the signal in `c` aborts and all work has ended. Never rejects. */
  run(): Promise<void>;
  /** Looks at a device again at once: something in the network changed. */
  wake(): void;
  /** A full refresh of every device. */
  refresh(): Promise<void>;
}

export function createEngine(c: Controllers, devices: readonly DeviceEntry[], stateChanged: (device: DeviceEntry) => void): Engine {
  const rhythms = new Map<DeviceEntry, Refresh>();
  const watches = new Map<DeviceEntry, Promise<AsyncDisposable>>();

  const bootstrap = createBootstrap(c, {
    deviceChanged(device) {
      rewatch(device);
      void rhythms.get(device)?.refresh();
    },
    peerChanged(device, peer, before) {
      if (peer.phase === 'connected') stateChanged(device);
      if (!isUnsettled(peer)) return;
      if (before === 'connected' || before === 'idle') void publish.refresh(device);
      void establish.read(device, peer);
      establish.hurry(device, peer);
    },
  });
  const establish = createEstablish(c, createConnector(c, bootstrap.read));
  const publish = createPublish(c, { mappingChanged: establish.openTowardsAll, stateChanged });
  for (const device of devices) rhythms.set(device, createRefresh(c, device, { bootstrap, publish, establish }));

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

  return {
    async run() {
      await Promise.all([...rhythms.values()].map((rhythm) => rhythm.run()));
      await Promise.all([establish.stop(), publish.stop()]);
      for (const watch of watches.values()) await (await watch)[Symbol.asyncDispose]();
    },
    wake() {
      for (const rhythm of rhythms.values()) rhythm.wake();
    },
    async refresh() {
      await Promise.all([...rhythms.values()].map((rhythm) => rhythm.refresh()));
    },
  };
}
