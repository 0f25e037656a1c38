/** Makers of metrics over one prom-client registry, with what every process tells of itself. Loads prom-client. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ERROR_CODES } from '../api/index.js';
import { VERSION } from '../version.js';
import type { Page } from './http-pages.js';

/** From a packet in the same house to a call that is given up after half a minute. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Metrics {
  readonly registry: Registry;
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /** In seconds. */
  histogram<L extends string>(name: string, help: string, labels?: readonly L[]): Histogram<L>;
  /** The text of a scrape, after `read` brought the metrics up to date. */
  page(read: () => void): Promise<Page>;
}

export function createMetrics(startedAtMs: number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const metrics: Metrics = {
    registry,
    gauge: (name, help, labels = []) => new Gauge({ name, help, labelNames: [...labels], registers }),
    counter: (name, help, labels = []) => new Counter({ name, help, labelNames: [...labels], registers }),
    histogram: (name, help, labels = []) =>
      new Histogram({ name, help, labelNames: [...labels], registers, buckets: SECONDS }),
    async page(read) {
      read();
      return { status: 200, type: registry.contentType, body: await registry.metrics() };
    },
  };
  metrics.gauge('stunmesh_build_info', 'The running version; always 1.', ['version']).set({ version: VERSION }, 1);
  addProcess(metrics, startedAtMs);
  return metrics;
}

/** The conventional names; prom-client's own collection would also watch the garbage collector, at a price. */
function addProcess({ registry }: Metrics, startedAtMs: number): void {
  const registers = [registry];
  new Gauge({
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since 1970.',
    registers,
  }).set(startedAtMs / 1000);
}

/** The code as a label: plugins may bring codes of their own, and nobody outside may make new series. */
export function codeLabel(code: string): string {
  return Object.hasOwn(ERROR_CODES, code) ? code : 'other';
}
