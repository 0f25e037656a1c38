/** The small STUN server, as the command line and tests use it. */
export * from './defaults.js';
export * from './server.js';
