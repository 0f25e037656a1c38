/** The bench's table: each number beside its target, and whether one was missed. */

export interface Row {
  readonly what: string;
  /** One number a run. */
  readonly values: readonly number[];
  readonly unit: 'ms' | 'MiB' | '%' | 'ms/peer' | 'times';
  /** The worst run must not exceed it; absent: for information. */
  readonly target?: number;
  /** Shown behind it, e.g. a goal below the target. */
  readonly note?: string;
}

export class Report {
  #missed = 0;

  get missed(): number {
    return this.#missed;
  }

  title(text: string): void {
    process.stdout.write(
      `\n${text}\n${'what'.padEnd(62)}${'median'.padStart(11)}${'worst'.padStart(11)}${'target'.padStart(11)}\n`,
    );
  }

  /** A part that could not be measured is a target missed. */
  missing(what: string, why: string): void {
    this.#missed += 1;
    process.stdout.write(`${what.padEnd(62)}  MISSED: ${why.slice(0, 300)}\n`);
  }

  row({ what, values, unit, target, note }: Row): void {
    const worst = Math.max(...values);
    // A run that gave no number at all counts as the worst there is.
    const missed = target !== undefined && !(worst <= target);
    if (missed) this.#missed += 1;
    const goal = target === undefined ? '-' : show(target, unit);
    const verdict = target === undefined ? '' : missed ? '  MISSED' : '  ok';
    const line =
      what.padEnd(62) + show(median(values), unit).padStart(11) + show(worst, unit).padStart(11) + goal.padStart(11);
    process.stdout.write(`${line}${verdict}${note === undefined ? '' : ` (${note})`}\n`);
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}

function show(value: number, unit: Row['unit']): string {
  if (!Number.isFinite(value)) return 'never';
  const digits =
    unit === 'ms' ? (value < 10 ? 1 : 0) : unit === 'ms/peer' ? 3 : unit === '%' ? 2 : unit === 'times' ? 0 : 1;
  return `${value.toFixed(digits)} ${unit}`;
}
