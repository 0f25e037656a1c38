/** Doubles for tests of core and of plugins. */

export { createSystemClock } from '../runtime/system-clock.js';
export * from './bpf-interpreter.js';
export * from './fake-capture.js';
export * from './fake-clock.js';
export type * from './fake-filter.js';
export type * from './fake-traffic.js';
export * from './fake-wireguard.js';
export * from './listener-count.js';
export * from './memory-logger.js';
export * from './memory-store.js';
