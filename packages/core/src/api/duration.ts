/** Durations as configurations write them ("90s", "1m30s"), in milliseconds: the same for core and for modules. */

const MS_OF_UNIT: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3, // U+00B5
  μs: 1e-3, // U+03BC
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Go's time.ParseDuration holds 64-bit nanoseconds; longer ones are refused there too. */
const LONGEST_MS = 2 ** 63 / 1e6;

const WHOLE = /^([+-]?)((?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/u;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gu;

/** Milliseconds (with fractions below one) of a duration in Go's grammar: a sign, then numbers each with a unit of ns, us, µs, ms, s, m, h.
 * "0" alone needs no unit. undefined: not a duration. */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0;
  const match = WHOLE.exec(text);
  if (!match) return undefined;
  const [, sign, parts = ''] = match;
  let ms = 0;
  for (const [, amount = '', unit = ''] of parts.matchAll(PART)) ms += milliseconds(amount, unit);
  if (ms >= LONGEST_MS) return undefined;
  return sign === '-' && ms !== 0 ? -ms : ms;
}

/** Dividing where the unit is small keeps "3us" at 0.003 instead of 0.0030000000000000005. */
function milliseconds(amount: string, unit: string): number {
  const factor = MS_OF_UNIT[unit] ?? Number.NaN;
  return factor < 1 ? Number(amount) / Math.round(1 / factor) : Number(amount) * factor;
}

/** The shortest exact text: "1m30s", "500ms", "10m", "0s"; exact to the nanosecond. */
export function formatDuration(ms: number): string {
  if (ms < 0) return `-${formatDuration(-ms)}`;
  let seconds = Math.floor(ms / 1_000);
  let ns = Math.round((ms - seconds * 1_000) * 1e6);
  if (ns === 1e9) {
    seconds += 1;
    ns = 0;
  }
  const hours = Math.floor(seconds / 3_600);
  const minutes = Math.floor((seconds % 3_600) / 60);
  const whole = [`${hours}h`, `${minutes}m`, `${seconds % 60}s`, fraction(ns)];
  return whole.filter((part) => !part.startsWith('0')).join('') || '0s';
}

function fraction(ns: number): string {
  if (ns % 1e6 === 0) return `${ns / 1e6}ms`;
  return ns % 1e3 === 0 ? `${ns / 1e3}us` : `${ns}ns`;
}
