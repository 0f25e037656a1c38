/** The configuration: reading, checking, describing it. */
export { formatDuration, parseDuration } from './duration.js';
export { type LoadOptions, loadConfig } from './load.js';
export { CONFIG_SCHEMA } from './schema.js';
export * from './types.js';
