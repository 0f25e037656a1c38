/** The laboratory of the capture packages' own tests: namespaces, and a far side behind veth pairs. Linux, as root. */
export * from './far-process.js';
export * from './far-side.js';
export * from './lifetime.js';
export * from './lives.js';
export * from './namespace.js';
