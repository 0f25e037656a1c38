/** What the controllers of all devices of a daemon share. */
import type { CaptureModule, NetInterface } from '../api/index.js';
import type { Config } from '../config/index.js';
import type { Controllers } from '../controllers/device-components.js';
import { createDiscovery } from '../controllers/publish/gather.js';
import type { MetricsHub } from '../telemetry/metrics-hub.js';

/** Interfaces are listed at most this often, however many peers ask. */
const INTERFACES_MS = 1_000;

type Parts = Pick<Controllers, 'clock' | 'logger' | 'control' | 'writer' | 'emit' | 'stores' | 'resolve'> & {
  readonly capture: CaptureModule;
  readonly metrics: MetricsHub;
};

/** What the controllers of all devices share; the settings are those of the present configuration. */
export function createShared(parts: Parts, config: () => Config): Omit<Controllers, 'signal'> {
  const { metrics, ...handed } = parts;
  const { capture, clock } = parts;
  let listed: { readonly at: number; readonly result: Promise<readonly NetInterface[]> } | undefined;
  const interfaces = (): Promise<readonly NetInterface[]> => {
    if (!listed || clock.now() - listed.at > INTERFACES_MS)
      listed = { at: clock.now(), result: capture.listInterfaces() };
    return listed.result;
  };
  const discovery = createDiscovery({ ...handed, interfaces, servers: () => config().stun.addresses });
  return {
    ...handed,
    ...discovery,
    discover: (device, family, signal) =>
      metrics.discovery(device.name, family, discovery.discover(device, family, signal)),
    interfaces,
    settings: () => config(),
  };
}
