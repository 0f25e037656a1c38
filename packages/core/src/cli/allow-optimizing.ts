/** Gives back what small-heap took for the daemon's sake. Apart from it: to import this one changes nothing. */
import { setFlagsFromString } from 'node:v8';

/** For work that is worth optimising: the records of a crowd of peers, packets of a server. */
export function allowOptimizing(): void {
  setFlagsFromString('--opt');
}
