/** Doubles for tests of core and of plugins. */
export * from './fake-clock.js';
export * from './memory-logger.js';
