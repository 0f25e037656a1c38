/** Where a number stands on an axis, and which numbers are written at it; pure. */

export interface Scale {
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** Beyond this ratio of the largest to the least a straight axis shows the least ones as nothing. */
const MOST_RATIO = 60;

/** From zero, or by powers of ten where the values are of very different size. */
export function createScale(values: readonly number[], from: number, to: number): Scale {
  const finite = values.filter((value) => Number.isFinite(value) && value > 0);
  const most = Math.max(...finite, Number.MIN_VALUE);
  const least = Math.min(...finite, most);
  if (finite.length === 0) return { at: () => from, ticks: [] };
  return most / least > MOST_RATIO ? powers(least, most, from, to) : straight(most, from, to);
}

function straight(most: number, from: number, to: number): Scale {
  const step = niceStep(most / 4);
  const end = Math.ceil(most / step) * step;
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step);
  return { at: (value) => from + (Math.min(value, end) / end) * (to - from), ticks };
}

function powers(least: number, most: number, from: number, to: number): Scale {
  const [low, high] = [Math.floor(Math.log10(least)), Math.ceil(Math.log10(most))];
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  const part = (value: number) => (Math.log10(Math.max(value, 10 ** low)) - low) / Math.max(high - low, 1);
  return { at: (value) => from + Math.min(part(value), 1) * (to - from), ticks };
}

/** 1, 2 or 5 of a power of ten, not less. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5].find((times) => times * power >= value) ?? 10) * power;
}
