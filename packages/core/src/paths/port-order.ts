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

/** A router that counts on: the ports that come after the last one, at most `count`; it begins anew above the highest one. */
export function* portsAfter(last: number, delta: number, count: number): Generator<number> {
  const size = HIGHEST - LOWEST + 1;
  for (let step = 1; step <= count; step += 1) {
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
