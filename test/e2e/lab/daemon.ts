/** A running stunmesh daemon of the laboratory: its snapshot, its log, and its end. */
import { writeFile } from 'node:fs/promises';
import {
  type ControlEvent,
  type DeviceSnapshot,
  type EventStream,
  openEvents,
  type PeerSnapshot,
  readSnapshot,
  type Snapshot,
} from './control.js';
import type { LabProcess } from './processes.js';
import { until, type WaitOptions } from './wait.js';

export class Daemon implements AsyncDisposable {
  readonly process: LabProcess;
  readonly socketPath: string;
  readonly configFile: string;
  /** performance.now() when it was started. */
  readonly startedAt: number;

  constructor(process: LabProcess, socketPath: string, configFile: string) {
    this.process = process;
    this.socketPath = socketPath;
    this.configFile = configFile;
    this.startedAt = performance.now();
  }

  get pid(): number {
    return this.process.pid;
  }

  /** What it wrote to stdout and stderr so far. */
  log(): string {
    return this.process.stdout + this.process.stderr;
  }

  status(): Promise<Snapshot> {
    return readSnapshot(this.socketPath);
  }

  /** The first (in most tests the only) device of a snapshot. */
  async device(): Promise<DeviceSnapshot> {
    const device = (await this.status()).devices[0];
    if (device === undefined) throw new Error('the snapshot has no device');
    return device;
  }

  async peer(name: string): Promise<PeerSnapshot> {
    const peer = (await this.device()).peers.find((candidate) => candidate.name === name);
    if (peer === undefined) throw new Error(`the snapshot has no peer ${name}`);
    return peer;
  }

  /** Polls the snapshot until `look` is satisfied; rejects at once when the daemon has ended. */
  async waitFor<T>(look: (snapshot: Snapshot) => T | undefined | false, options: WaitOptions = {}): Promise<T> {
    let last = '';
    try {
      return await until(
        async () => {
          if (!this.process.running) return { ended: true } as const;
          const snapshot = await this.status();
          last = JSON.stringify(snapshot);
          const seen = look(snapshot);
          return seen === undefined || seen === false ? undefined : { ended: false, seen };
        },
        { pollMs: 50, ...options },
      ).then((result) => {
        if (!result.ended) return result.seen;
        throw new Error('the daemon has ended');
      });
    } catch (error) {
      throw new Error(
        `${(error as Error).message}; last snapshot: ${last.slice(0, 3000) || 'none'}; its log: ${this.log().slice(-1000)}`,
      );
    }
  }

  /** Waits until a peer is in one of these phases. */
  waitForPhase(peer: string, phases: readonly string[], options: WaitOptions = {}): Promise<PeerSnapshot> {
    return this.waitFor(
      (snapshot) =>
        snapshot.devices[0]?.peers.find((candidate) => candidate.name === peer && phases.includes(candidate.phase)),
      { what: `peer ${peer} to be ${phases.join(' or ')}`, ...options },
    );
  }

  events(onEvent: (event: ControlEvent) => void): Promise<EventStream> {
    return openEvents(this.socketPath, onEvent);
  }

  /** Has it read its configuration again, after `config` took the file's place. */
  async reload(config: Readonly<Record<string, unknown>> | string): Promise<void> {
    await writeFile(this.configFile, typeof config === 'string' ? config : `${JSON.stringify(config, undefined, 1)}\n`);
    this.process.signal('SIGHUP');
  }

  /** Ends it by SIGTERM; its exit code, null where a signal ended it. Killed after `limitMs` (default 20 s). */
  async stop(limitMs = 20_000): Promise<number | null> {
    this.process.signal('SIGTERM');
    const timer = setTimeout(() => this.process.signal('SIGKILL'), limitMs);
    const { code } = await this.process.exited;
    clearTimeout(timer);
    return code;
  }

  /** Ends it by SIGKILL. */
  kill(): Promise<void> {
    return this.process.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.process.kill();
  }
}
