/** How a NAT chooses outer ports where its mapping depends on the destination, by those that it gave one port of ours; pure. */
import type { PortAllocation } from '../record/path-code.js';

/** Fewer ports tell nothing apart. */
const LEAST_PORTS = 3;
/** What other hosts' flows may take between two questions that leave at once; a larger step is chance. */
const MOST_STEP = 64;
const MOST_DELTA = 4;
/** Ports between two such groups. */
const MOST_SINCE = 2_048;
/** Servers that are asked at once see ports no further apart, in steps. */
const MOST_GAP = 8;
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
  // Those that discovery asked keep the ports of that time, and other hosts may have opened a hundred flows since: two groups, each close.
  const counted = deltaOfGroups(sorted);
  if (counted !== undefined) return { delta: counted };
  // So many ports by chance leave a part of the range at both its ends untouched.
  const spread = Math.max(...ports) - Math.min(...ports);
  const likely = (spread * (ports.length + 1)) / (ports.length - 1);
  const block = BLOCKS.find((size) => size >= likely);
  return block === undefined ? 'random' : { block };
}

/** Undefined: they lie in more than two groups, or too few of them close together to be anything but chance. */
function deltaOfGroups(sorted: readonly number[]): number | undefined {
  const gaps = sorted.slice(1).map((port, i) => port - (sorted[i] ?? 0));
  const delta = gaps.reduce(greatestCommonDivisor, 0);
  if (delta === 0 || delta > MOST_DELTA) return undefined;
  const close = gaps.filter((gap) => gap <= MOST_GAP * delta).length;
  return close >= 2 && close >= gaps.length - 1 && Math.max(...gaps) <= MOST_SINCE ? delta : undefined;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
