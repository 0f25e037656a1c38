/** What an empty configuration means. */
import type { Config } from '#src/config/index.js';

export const DEFAULTS: Omit<Config, 'file'> = {
  refreshIntervalMs: 600_000,
  log: { level: 'info', format: 'console' },
  stun: { addresses: ['stun.l.google.com:19302'] },
  pingMonitor: { intervalMs: 1_000, timeoutMs: 1_000, fixedRetries: 3 },
  interfaces: new Map(),
  plugins: new Map(),
  capture: 'auto',
  runDir: '/run/stunmesh',
  stateDir: '/var/lib/stunmesh',
  renew: true,
  natCheck: true,
  mappingCheckMs: 30_000,
};
