/** Lists of cases that every implementation of an interface passes; usable from any test runner. */
export * from './capture.js';
export * from './case.js';
export * from './exec.js';
export * from './human.js';
export * from './inbox.js';
export * from './store.js';
export type { GivenComponents, StoreHarness } from './store-harness.js';
export * from './tap.js';
export * from './wireguard.js';
