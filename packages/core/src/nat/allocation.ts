/** How a NAT chooses outer ports where its mapping depends on the destination, by those that it gave one port of ours; pure. */
import type { PortAllocation } from '../record/path-code.js';

/** Fewer ports tell nothing apart. */
const LEAST_PORTS = 3;
/** What other hosts' flows may take between two questions that leave at once; a larger step is chance. */
const MOST_STEP = 64;
const MOST_DELTA = 4;
const BLOCKS = [256, 512, 1024, 2048] as const;

/** `ports` in the order in which they were asked for, each of another destination. */
export function judgeAllocation(ports: readonly number[]): PortAllocation {
  if (ports.length < LEAST_PORTS) return 'unknown';
  const steps = ports.slice(1).map((port, i) => port - (ports[i] ?? 0));
  if (steps.every((step) => step > 0 && step <= MOST_STEP)) {
    const delta = steps.reduce(greatestCommonDivisor);
    if (delta <= MOST_DELTA) return { delta };
  }
  // One that was asked before has its port from then, so order tells less than closeness: by chance they lie further apart.
  const sorted = [...ports].sort((a, b) => a - b);
  if ((sorted.at(-1) ?? 0) - (sorted[0] ?? 0) <= MOST_STEP) {
    const delta = sorted.slice(1).reduce((all, port, i) => greatestCommonDivisor(all, port - (sorted[i] ?? 0)), 0);
    if (delta > 0 && delta <= MOST_DELTA) return { delta };
  }
  // So many ports by chance leave a part of the range at both its ends untouched.
  const spread = Math.max(...ports) - Math.min(...ports);
  const likely = (spread * (ports.length + 1)) / (ports.length - 1);
  const block = BLOCKS.find((size) => size >= likely);
  return block === undefined ? 'random' : { block };
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
