/** What the controllers of a device are handed: what all devices of a daemon share, and the device's own way out. */
import type { CaptureModule } from '../api/index.js';
import type { Config } from '../config/index.js';
import type { Controllers } from '../controllers/device-components.js';
import { createDiscovery } from '../controllers/publish/gather.js';
import type { DeviceEntry } from '../peers/peer-table.js';
import type { MetricsHub } from '../telemetry/metrics-hub.js';
import { createUnderlays } from '../underlay/underlay.js';

type Parts = Pick<Controllers, 'clock' | 'logger' | 'control' | 'writer' | 'emit' | 'stores' | 'resolve'> & {
  readonly capture: CaptureModule;
  readonly metrics: MetricsHub;
};

/** The settings are those of the present configuration. */
export function createShared(parts: Parts, config: () => Config): (device: DeviceEntry) => Omit<Controllers, 'signal'> {
  const { metrics, capture, ...handed } = parts;
  const underlays = createUnderlays({ ...handed, capture });
  return (device) => {
    const underlay = underlays(device);
    const discovery = createDiscovery({ ...handed, underlay, servers: () => config().stun.addresses });
    return {
      ...handed,
      ...discovery,
      underlay,
      discover: (_, family, signal) =>
        metrics.discovery(device.name, family, discovery.discover(device, family, signal)),
      settings: () => config(),
    };
  };
}
