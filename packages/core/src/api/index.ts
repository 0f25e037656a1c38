/** All that a plugin may import. */
export * from './backoff.js';
export * from './capture.js';
export * from './clock.js';
export * from './duration.js';
export * from './endpoint.js';
export * from './error-codes.js';
export * from './errors.js';
export * from './exec-plugin.js';
export * from './kernel-wireguard.js';
export * from './keys.js';
export * from './logger.js';
export * from './make-folder.js';
export * from './packet-filter.js';
export * from './race-abort.js';
export * from './store.js';
export * from './wireguard.js';
