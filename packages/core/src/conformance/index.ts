/** Lists of cases that every implementation of an interface passes; usable from any test runner. */
export * from './case.js';
