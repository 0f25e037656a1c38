/** The bench's table: each number beside its target, and whether one was missed; kept as data too. */
import type { Section } from './results.js';

export interface Row {
  readonly what: string;
  /** One number a run. */
  readonly values: readonly number[];
  readonly unit: 'ns' | 'ms' | 'kB' | 'MiB' | '%' | 'ms/peer' | 'times';
  /** The worst run must not exceed it, or each of the two its own; absent: for information. */
  readonly target?: number | Target;
  /** Shown behind it, e.g. a goal below the target. */
  readonly note?: string;
}

export interface Target {
  readonly median?: number;
  readonly worst?: number;
}

export class Report {
  #missed = 0;

  get missed(): number {
    return this.#missed;
  }

  /** What was printed so far. */
  readonly sections: Section[] = [];

  #section(): Section {
    const last = this.sections.at(-1);
    if (last) return last;
    this.title('');
    return this.#section();
  }

  title(text: string): void {
    this.sections.push({ title: text, rows: [], missing: [] });
    process.stdout.write(
      `\n${text}\n${'what'.padEnd(62)}${'median'.padStart(11)}${'worst'.padStart(11)}${'target'.padStart(19)}\n`,
    );
  }

  /** A part that could not be measured is a target missed. */
  missing(what: string, why: string): void {
    this.#missed += 1;
    this.#section().missing.push({ what, why });
    process.stdout.write(`${what.padEnd(62)}  MISSED: ${why.slice(0, 300)}\n`);
  }

  row(row: Row): void {
    const { what, unit, target, note } = row;
    this.#section().rows.push(row);
    const { middle, worst, goal, missed } = judge(row);
    if (missed) this.#missed += 1;
    const verdict = target === undefined ? '' : missed ? '  MISSED' : '  ok';
    const measured = show(middle, unit).padStart(11) + show(worst, unit).padStart(11);
    const line = what.padEnd(62) + measured + showTarget(goal, unit).padStart(19);
    process.stdout.write(`${line}${verdict}${note === undefined ? '' : ` (${note})`}\n`);
  }
}

export interface Judgement {
  readonly middle: number;
  readonly worst: number;
  readonly goal: Target | undefined;
  readonly missed: boolean;
}

export function judge({ values, target }: Row): Judgement {
  const worst = Math.max(...values);
  const middle = median(values);
  const goal: Target | undefined = typeof target === 'number' ? { worst: target } : target;
  return { middle, worst, goal, missed: goal !== undefined && !meets(goal, middle, worst) };
}

/** A run that gave no number at all counts as the worst there is. */
export function meets(target: Target, middle: number, worst: number): boolean {
  return (
    (target.median === undefined || middle <= target.median) && (target.worst === undefined || worst <= target.worst)
  );
}

export function showTarget(target: Target | undefined, unit: Row['unit']): string {
  if (target === undefined) return '-';
  const { median: middle, worst } = target;
  if (middle === undefined) return worst === undefined ? '-' : show(worst, unit);
  return worst === undefined ? `${show(middle, unit)} med` : `${show(middle, unit)} / ${show(worst, unit)}`;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

export function show(value: number, unit: Row['unit']): string {
  if (!Number.isFinite(value)) return 'never';
  const digits =
    unit === 'ms'
      ? value < 10
        ? 1
        : 0
      : unit === 'ms/peer'
        ? 3
        : unit === '%'
          ? 2
          : unit === 'times' || unit === 'ns'
            ? 0
            : 1;
  return `${value.toFixed(digits)} ${unit}`;
}
