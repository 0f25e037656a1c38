/** What is seen of a pair under the soak: gaps between answered pings, and what the daemons take. */
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { Daemon, Host, Lab } from '../e2e/lab/index.js';

export interface Gap {
  readonly ms: number;
  /** Seconds since the start, and the faults shortly before. */
  readonly atS: number;
  readonly after: string;
}

export interface Sample {
  readonly atMs: number;
  readonly rssMiB: number;
  readonly descriptors: number;
  /** It ran for a while already. */
  readonly settled: boolean;
}

/** A daemon that is younger still loads what it needs: it is no measure of growth. */
const YOUNG_MS = 30_000;
/** Faults so long before a gap's end are named with it. */
const CAUSE_MS = 20_000;
const PING_S = '0.2';

export class SoakWatch {
  readonly startedAt = performance.now();
  readonly gaps: Gap[] = [];
  /** Of all daemons, in the order of time. */
  readonly samples: Sample[] = [];
  /** Files of ours in temporary, run and state folders, each time they were counted. */
  readonly files: number[] = [];
  readonly counts = new Map<string, number>();
  #answeredAt = performance.now();
  readonly #faults: { readonly at: number; readonly name: string }[] = [];

  constructor(lab: Lab, from: Host, to: Host) {
    const ping = lab.spawn(from.namespace, ['ping', '-n', '-O', '-i', PING_S, to.tunnelAddress]);
    ping.onLine((line) => {
      if (/time[=<][\d.]+ ms/.test(line)) this.#answered();
    });
  }

  fault(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.#faults.push({ at: performance.now(), name });
  }

  /** Counts the present gap, as if it ended now. */
  close(): void {
    this.#answered();
  }

  async sample(daemons: readonly Daemon[], hosts: readonly Host[]): Promise<void> {
    for (const { pid, startedAt } of daemons) {
      try {
        const status = await readFile(`/proc/${pid}/status`, 'utf8');
        const rssMiB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
        const descriptors = (await readdir(`/proc/${pid}/fd`)).length;
        const settled = performance.now() - startedAt > YOUNG_MS;
        this.samples.push({ atMs: performance.now() - this.startedAt, rssMiB, descriptors, settled });
      } catch {
        // It was killed meanwhile.
      }
    }
    const folders = hosts.flatMap(({ runDir, stateDir }) => [runDir, stateDir]);
    const own = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true }).catch(() => [])));
    const temporary = (await readdir(tmpdir())).filter((name) => name.startsWith('stunmesh'));
    this.files.push(own.flat().length + temporary.length);
  }

  #answered(): void {
    const now = performance.now();
    const ms = now - this.#answeredAt;
    this.#answeredAt = now;
    if (ms < 1_000) return;
    const near = this.#faults.filter(({ at }) => now - ms - CAUSE_MS < at && at < now);
    const after = [...new Set(near.map(({ name, at }) => `${name} ${((now - at) / 1000).toFixed(0)} s`))].join(', ');
    this.gaps.push({ ms, atS: (now - this.startedAt) / 1000, after });
  }
}
