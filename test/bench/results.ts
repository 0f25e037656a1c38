/** What the bench measured, as data: kept in build/bench/results.json, the last run of each part, for the page of measurements. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { dirname, join } from 'node:path';
import { REPOSITORY } from '../e2e/lab/index.js';
import type { Row } from './report.js';

const FILE = join(REPOSITORY, 'build/bench/results.json');
const NEVER = 'never';

/** A title with its rows, as they were printed. */
export interface Section {
  readonly title: string;
  readonly rows: Row[];
  /** What could not be measured, and why. */
  readonly missing: { readonly what: string; readonly why: string }[];
}

export interface PartResults {
  /** ISO 8601, to the minute. */
  readonly at: string;
  readonly runs: number;
  readonly machine: string;
  /** Processes that wanted to run in the last minute: above the number of processors times are not to be believed. */
  readonly load: number;
  readonly sections: readonly Section[];
}

export type Results = Readonly<Record<string, PartResults>>;

export function partResults(runs: number, sections: readonly Section[]): PartResults {
  const [processor] = cpus();
  const model = processor?.model.trim() || 'an unnamed processor';
  return {
    at: `${new Date().toISOString().slice(0, 16)}Z`,
    runs,
    machine: `${cpus().length} x ${model}, Linux ${release()}, Node ${process.versions.node}`,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
    sections,
  };
}

/** The inverse of formatResults. JSON has no infinity: a run that gave no number is a word. */
export function parseResults(text: string): Results {
  return JSON.parse(text, (_, value) => (value === NEVER ? Number.POSITIVE_INFINITY : value)) as Results;
}

export function formatResults(results: Results): string {
  const replace = (_: string, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? NEVER : value);
  return `${JSON.stringify(results, replace, 2)}\n`;
}

/** Nothing yet: no part. */
export function readResults(file = FILE): Results {
  try {
    return parseResults(readFileSync(file, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/** Beside the other parts that are there. */
export function keepResults(part: string, results: PartResults, file = FILE): void {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, formatResults({ ...readResults(file), [part]: results }));
  renameSync(fresh, file);
}
