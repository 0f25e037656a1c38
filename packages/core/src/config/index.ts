/** The configuration: reading, checking, describing it. */
export { type LoadOptions, loadConfig } from './load.js';
export * from './types.js';
