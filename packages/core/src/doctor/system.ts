/** What doctor asks of the operating system: rights, programs, kernel parts, sockets of other daemons. */
import { constants } from 'node:fs';
import { access, readdir, readFile, stat } from 'node:fs/promises';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import type { Clock } from '../api/index.js';
import { boundSockets } from '../control/bound-sockets.js';
import { lockHolder } from '../runtime/lock.js';
import { whoMayChange } from '../runtime/own-folder.js';

/** Capability numbers of capabilities(7). */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const;
export type Capability = keyof typeof CAPABILITIES;

const UAPI_DIR = '/var/run/wireguard';
const HTTP_MS = 5_000;

export interface System {
  readonly platform: NodeJS.Platform;
  /** undefined where there are no user numbers. */
  readonly userId: number | undefined;
  /** The effective ones; undefined where the system has none (then root has them all). */
  capabilities(): Promise<ReadonlySet<Capability> | undefined>;
  /** Where a program lies in PATH. */
  program(name: string): Promise<string | undefined>;
  /** The kernel's WireGuard; undefined where nothing tells. */
  kernelModule(): Promise<'loaded' | 'available' | 'absent' | undefined>;
  /** Devices with a userspace control socket. */
  userspaceDevices(): Promise<readonly string[]>;
  /** Paths of the unix sockets that are bound in this network namespace; empty where nothing tells. */
  unixSockets(): Promise<readonly string[]>;
  /** The living process that holds a lock file; undefined: nobody. */
  lockHolder(path: string): Promise<number | undefined>;
  /** Who may change this folder, or turn its path elsewhere, beside root and the owner of the folder; undefined: nobody. */
  whoMayChange(path: string): Promise<string | undefined>;
  /** Milliseconds since 1970 by the Date of an HTTP server; undefined: it gave none. Errors: those of fetch. */
  httpDate(url: string, clock: Clock, signal: AbortSignal): Promise<number | undefined>;
}

export function createSystem(env: NodeJS.ProcessEnv): System {
  const { platform } = process;
  return {
    platform,
    userId: process.geteuid?.(),
    async capabilities() {
      const status = await readText('/proc/self/status');
      const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1];
      if (mask === undefined) return undefined;
      const bits = BigInt(`0x${mask}`);
      const names = Object.entries(CAPABILITIES) as [Capability, number][];
      return new Set(names.filter(([, bit]) => ((bits >> BigInt(bit)) & 1n) === 1n).map(([name]) => name));
    },
    async program(name) {
      for (const folder of (env['PATH'] ?? '').split(delimiter).filter((part) => part !== '')) {
        const path = join(folder, name);
        if (await passes(access(path, constants.X_OK))) return path;
      }
      return undefined;
    },
    async kernelModule() {
      if (platform !== 'linux') return undefined;
      if (await passes(access('/sys/module/wireguard'))) return 'loaded';
      const folder = `/lib/modules/${release()}`;
      const lists = await Promise.all(['dep', 'builtin'].map((list) => readText(join(folder, `modules.${list}`))));
      if (lists.some((list) => /\/wireguard\.ko/.test(list))) return 'available';
      return lists.every((list) => list === '') ? undefined : 'absent';
    },
    async userspaceDevices() {
      const names = await readdir(UAPI_DIR).catch(() => [] as string[]);
      return names.filter((name) => name.endsWith('.sock')).map((name) => name.slice(0, -'.sock'.length));
    },
    unixSockets: boundSockets,
    lockHolder,
    async whoMayChange(path) {
      const owner = await stat(path).catch(() => undefined);
      return whoMayChange(path, owner?.uid);
    },
    async httpDate(url, clock, signal) {
      using limit = clock.deadline(HTTP_MS, signal);
      const response = await fetch(url, { method: 'HEAD', redirect: 'manual', signal: limit.signal });
      await response.body?.cancel();
      const at = Date.parse(response.headers.get('date') ?? '');
      return Number.isNaN(at) ? undefined : at;
    },
  };
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function passes(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  );
}
