/** The configuration: reading, checking, describing it. */
export { formatDuration, parseDuration } from '../api/index.js';
export { type LoadOptions, loadConfig } from './load.js';
export * from './types.js';
