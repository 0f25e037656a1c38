/** The NAT laboratory: topology as data, WireGuard hosts behind NATs, all in namespaces of its own. */

export { findCoturn, findMiniupnpd, findRedis } from './aside.js';
export * from './control.js';
export { Daemon } from './daemon.js';
export { type DaemonConfigOptions, DEFAULT_STUN, daemonConfig } from './daemon-config.js';
export { type DaemonOptions, Host } from './host.js';
export { createKeyPair, type KeyPair, nextSlot } from './keys.js';
export { missingForLab } from './need.js';
export { Lab, openLab, type PacketCount, REPOSITORY } from './open-lab.js';
export { type FirstPingOptions, type PingBurst, pingBurst } from './ping.js';
export { LabProcess, must, type RunResult, run } from './processes.js';
export { sweepDeadLabs } from './registry.js';
export * from './spec.js';
export { type StoreServer, startCloudflare, startDht, startRedis } from './store-servers.js';
export type { DeviceState, PeerState } from './uapi.js';
export { sleep, until, type WaitOptions } from './wait.js';
