/** What the same rows showed before, where that is known; in the row's unit, medians. */

export const BEFORE: Readonly<Record<string, number>> = {
  'file store, 50 peers: resident memory': 80,
  'file store, 200 peers: resident memory': 87,
  'file store, 1000 peers: resident memory': 120,
  'file store, 1000 peers: read and write, CPU of it per peer': 3.8,
  'shell (parallel: 8) store, 200 peers: read and write, CPU of it per peer': 7.3,
};
