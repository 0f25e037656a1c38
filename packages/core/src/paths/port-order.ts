/** In which order the ports of a router are probed, and which ports of our own open ways through it: prediction first, chance last (F61). */

/** Below are the ports of services. */
const LOWEST = 1_024;
const HIGHEST = 65_535;
/** What lives there answers strangers badly: SSDP, SIP, mDNS. */
const NEVER: ReadonlySet<number> = new Set([1_900, 5_060, 5_061, 5_353]);
/** Our own ports for openers. */
const SOURCE_FROM = 20_000;
const SOURCE_TO = 60_999;

/** A whole number from 0 to below `count`, unpredictable. */
export type RandomInt = (count: number) => number;

export function isProbeable(port: number): boolean {
  return port >= LOWEST && port <= HIGHEST && !NEVER.has(port);
}

/** The other host opens at least twice as many ports in a row, so that other flows between them leave one at such a step. */
const STRIDE = 32;

/** A router that counts on: at most `count` ports after the last one, by turns the next ones (whose host opens a single one) and every 32nd, as far
 * as other flows may have brought it meanwhile; it begins anew above the highest port. */
export function* portsAfter(last: number, delta: number, count: number): Generator<number> {
  const size = HIGHEST - LOWEST + 1;
  const steps = new Set<number>();
  for (let turn = 1; steps.size < count; turn += 1) for (const step of [turn, turn * STRIDE]) steps.add(step);
  for (const step of [...steps].slice(0, count)) {
    const port = LOWEST + ((last - LOWEST + step * delta + size) % size);
    if (isProbeable(port)) yield port;
  }
}

/** A router that keeps to a block of ports: those of the block around the last one, in any order, none twice. */
export function portsOfBlock(last: number, size: number, random: RandomInt): Generator<number> {
  const from = last - (last % size);
  return shuffled(from, Math.min(from + size - 1, HIGHEST), random);
}

/** Every port that may be probed, in any order, none twice. */
export function randomPorts(random: RandomInt): Generator<number> {
  return shuffled(LOWEST, HIGHEST, random);
}

/** `count` different ports of our own; `isFree` is false for those of ip_local_port_range and those that cannot be bound. */
export function sourcePorts(count: number, random: RandomInt, isFree: (port: number) => boolean): readonly number[] {
  const ports: number[] = [];
  for (const port of shuffled(SOURCE_FROM, SOURCE_TO, random)) {
    if (ports.length >= count) break;
    if (isFree(port)) ports.push(port);
  }
  return ports;
}

/** Fisher and Yates, step by step, in a sparse table: a few hundred of 64,512 are asked for. */
function* shuffled(from: number, to: number, random: RandomInt): Generator<number> {
  const moved = new Map<number, number>();
  for (let at = from; at <= to; at += 1) {
    const pick = at + random(to - at + 1);
    const port = moved.get(pick) ?? pick;
    moved.set(pick, moved.get(at) ?? at);
    moved.delete(at);
    if (isProbeable(port)) yield port;
  }
}
