/** What a refresh of 1,000 peers costs each kind of store, behind the host's guard: all records written and read in one turn. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CallOptions, Connect } from '@stunmesh/core/api';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import { findRedis, LabProcess, REPOSITORY, until } from '../e2e/lab/index.js';
import type { Report } from './report.js';

const PEERS = 1_000;
const NAMES_A_CALL = 200;
/** Eight calls run at once (core's guard). */
const CONCURRENCY = 8;
const REDIS_PORT = 46_379;
const free: CallOptions = { signal: new AbortController().signal };
const keyOf = (n: number): string => n.toString(16).padStart(40, '0');
const recordOf = (n: number, round: number): string => `${round}${n}`.padStart(240, '0');

type HostModule = typeof import('../../packages/core/dist/host/plugin-host.js');
type GuardedStore = Awaited<ReturnType<ReturnType<HostModule['createPluginHost']>['openStore']>>;
type ApiServer = typeof import('../../packages/store-cloudflare/dist-test/lab/api-server.js');

const load = (path: string): Promise<unknown> => import(pathToFileURL(join(REPOSITORY, path)).href);

interface Instance {
  readonly type: 'builtin' | 'exec';
  readonly module?: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

async function openStore(instance: Instance, connect?: Connect): Promise<GuardedStore> {
  const { createPluginHost } = (await load('packages/core/dist/host/plugin-host.js')) as HostModule;
  const host = createPluginHost({
    clock: createSystemClock(),
    logger: createMemoryLogger(),
    ...(connect ? { connect } : {}),
  });
  return await host.openStore({ name: 'bench', timeoutMs: 30_000, ...instance });
}

/** Writes and reads all; milliseconds, and how many records did not come back as they were written. */
async function refresh(store: GuardedStore, round: number, echoes = true): Promise<{ ms: number; lost: number }> {
  const numbers = Array.from({ length: PEERS }, (_, n) => n);
  const startedAt = performance.now();
  const written = await Promise.allSettled(numbers.map((n) => store.set(keyOf(n), recordOf(n, round), free)));
  const read = await Promise.allSettled(numbers.map((n) => store.get(keyOf(n), free)));
  const ms = performance.now() - startedAt;
  const good = numbers.filter((n) => {
    const [set, get] = [written[n], read[n]];
    return set?.status === 'fulfilled' && get?.status === 'fulfilled' && (!echoes || get.value === recordOf(n, round));
  });
  return { ms, lost: PEERS - good.length };
}

async function rows(report: Report, runs: number, what: string, store: GuardedStore, target: number): Promise<void> {
  const values: number[] = [];
  let lost = 0;
  // The first call connects, starts processes, loads modules.
  await store.get(keyOf(0), free);
  for (let run = 0; run < runs; run += 1) {
    const one = await refresh(store, run);
    values.push(one.ms);
    lost += one.lost;
  }
  report.row({ what: `${what}: publish and read`, values, unit: 'ms', target });
  report.row({ what: `${what}: records lost`, values: [lost], unit: 'times', target: 0 });
}

export async function benchStoreRefresh(report: Report, runs: number): Promise<void> {
  report.title(`Refresh of ${PEERS} peers by each kind of store, ${runs} runs each`);
  const folder = await mkdtemp(join(tmpdir(), 'stunmesh-bench-'));
  try {
    for (const bench of [benchRedis, benchFile, benchExec, benchSession, benchCloudflare])
      await bench(report, runs, folder).catch((error: Error) => report.missing(bench.name, error.message));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function benchRedis(report: Report, runs: number): Promise<void> {
  const { program, env } = await findRedis();
  const argv = [program, '--port', String(REDIS_PORT), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  await using server = new LabProcess(undefined, argv, { env, cwd: tmpdir() });
  await until(() => server.stdout.includes('Ready to accept'), { what: 'Redis' });
  const trips = { count: 0 };
  const url = `redis://127.0.0.1:${REDIS_PORT}`;
  const store = await openStore({ type: 'builtin', module: 'redis', settings: { url } }, countTrips(trips));
  try {
    await rows(report, runs, 'Redis', store, 300);
    trips.count = 0;
    await refresh(store, runs);
    report.row({ what: 'Redis: round trips', values: [trips.count], unit: 'times', target: 10 });
  } finally {
    await store.close();
  }
}

/** A round trip: something is sent after the last answer has arrived. */
function countTrips(trips: { count: number }): Connect {
  return async ({ host, port }) => {
    const socket = new Socket();
    let waiting = false;
    for (const name of ['_write', '_writev'] as const) {
      const write = socket[name]?.bind(socket) as (...values: unknown[]) => void;
      const counting = (...values: unknown[]): void => {
        if (!waiting) trips.count += 1;
        waiting = true;
        write(...values);
      };
      Object.assign(socket, { [name]: counting });
    }
    socket.on('data', () => {
      waiting = false;
    });
    socket.pause();
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.connect(port, host, resolve);
    });
    return socket;
  };
}

async function benchFile(report: Report, runs: number, folder: string): Promise<void> {
  const store = await openStore({ type: 'builtin', module: 'file', settings: { path: join(folder, 'records') } });
  try {
    await rows(report, runs, 'file', store, 1_000);
  } finally {
    await store.close();
  }
}

async function benchExec(report: Report, runs: number, folder: string): Promise<void> {
  const command = join(folder, 'slow-plugin');
  execFileSync('cc', ['-O2', '-o', command, join(REPOSITORY, 'test/fixtures/e2e/slow-plugin.c')]);
  const store = await openStore({ type: 'exec', settings: { command, parallel: CONCURRENCY } });
  try {
    const alone: number[] = [];
    for (let call = 0; call < 20; call += 1) {
      const startedAt = performance.now();
      await store.get(keyOf(call), free);
      alone.push(performance.now() - startedAt);
    }
    const ownMs = alone.toSorted((a, b) => a - b)[10] ?? Number.NaN;
    // Starting a process holds this one up, on whatever machine; the rest of a call's time is the plugin's.
    const target = 2 * PEERS * (ownMs / CONCURRENCY + startMs(command));
    const values: number[] = [];
    let lost = 0;
    for (let run = 0; run < Math.min(runs, 3); run += 1) {
      const one = await refresh(store, run, false);
      values.push(one.ms);
      lost += one.lost;
    }
    const note = `2 x ${PEERS} x (${ownMs.toFixed(1)} ms of a call alone / ${CONCURRENCY} + the start of a process)`;
    report.row({
      what: 'exec, protocol 0, parallel: 8, 10 ms a call: publish and read',
      values,
      unit: 'ms',
      target,
      note,
    });
    report.row({
      what: 'exec, protocol 0, parallel: 8, 10 ms a call: dropped',
      values: [lost],
      unit: 'times',
      target: 0,
    });
  } finally {
    await store.close();
  }
}

/** How long the start of a process holds this one up, in milliseconds. */
function startMs(command: string): number {
  const took: number[] = [];
  for (let n = 0; n < 20; n += 1) {
    const startedAt = performance.now();
    const child = spawn(command, { stdio: ['ignore', 'ignore', 'ignore'], detached: true });
    took.push(performance.now() - startedAt);
    child.on('error', () => undefined);
  }
  return took.toSorted((a, b) => a - b)[10] ?? Number.NaN;
}

async function benchSession(report: Report, runs: number, folder: string): Promise<void> {
  const command = join(REPOSITORY, 'packages/store-exec/examples/watching_store.py');
  const args = [join(folder, 'session')];
  const store = await openStore({
    type: 'exec',
    settings: { command: 'python3', args: [command, ...args], protocol: 1 },
  });
  try {
    await rows(report, runs, 'exec session (watching_store.py)', store, 1_000);
    const children = execFileSync('pgrep', ['-f', `watching_store.py ${args[0]}`], { encoding: 'utf8' });
    const count = children.trim().split('\n').length;
    report.row({ what: 'exec session: processes', values: [count], unit: 'times', target: 1 });
  } finally {
    await store.close();
  }
}

async function benchCloudflare(report: Report): Promise<void> {
  const { startApiServer, TOKEN, ZONE } = (await load(
    'packages/store-cloudflare/dist-test/lab/api-server.js',
  )) as ApiServer;
  await using api = await startApiServer();
  const settings = { zone: ZONE, subdomain: 'wg', token: TOKEN, api: api.url };
  const store = await openStore({ type: 'builtin', module: 'cloudflare', settings });
  const numbers = Array.from({ length: PEERS }, (_, n) => n);
  const calls = async (work: () => Promise<unknown>): Promise<number> => {
    // A listing is good for a second.
    await createSystemClock().sleep(1_100);
    const before = api.calls.length;
    await work();
    return api.calls.length - before;
  };
  const readAll = () => Promise.all(numbers.map((n) => store.get(keyOf(n), free)));
  const writeAll = (round: number) => Promise.all(numbers.map((n) => store.set(keyOf(n), recordOf(n, round), free)));
  try {
    await writeAll(0);
    const quiet = (2 * PEERS) / NAMES_A_CALL;
    const changed = quiet + PEERS / NAMES_A_CALL;
    const unchangedCalls = await calls(readAll);
    const changedCalls = await calls(async () => {
      await writeAll(1);
      await readAll();
    });
    report.row({ what: 'Cloudflare: calls, nothing changed', values: [unchangedCalls], unit: 'times', target: quiet });
    report.row({ what: 'Cloudflare: calls, all changed', values: [changedCalls], unit: 'times', target: changed });
  } finally {
    await store.close();
  }
}
