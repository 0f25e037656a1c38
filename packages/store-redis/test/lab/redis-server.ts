/** Real redis-server processes on loopback, with ports from the operating system; each dies with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { Redis as Client, type RedisOptions } from 'ioredis';
import { closeAtEnd } from './at-end.js';
import { findRedis, type Redis } from './find-redis.js';

export interface ServerOptions {
  /** Lines of redis.conf. */
  readonly lines?: readonly string[];
  /** For sentinel mode. */
  readonly args?: readonly string[];
  /** How to reach it, where that is not 127.0.0.1 and its port. */
  readonly admin?: Pick<RedisOptions, 'tls' | 'username' | 'password'>;
  readonly ready?: RegExp;
}

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  /** Its own, made for this server. */
  readonly folder: string;
  readonly url: string;
  /** Ends it at once, as a crash would. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and without data. */
  start(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** One command by a client of its own. */
  command(name: string, ...args: readonly (string | number)[]): Promise<unknown>;
}

/** A port of 127.0.0.1 that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
}

/** The programs, or undefined after a skip that says why. */
export async function redisOrSkip(t: TestContext): Promise<Redis | undefined> {
  const redis = await findRedis();
  if (!('missing' in redis)) return redis;
  t.skip(redis.missing);
  return undefined;
}

/** A server that is ready, or undefined after a skip that says why. It ends with the test. */
export async function startServer(t: TestContext, options: ServerOptions = {}): Promise<RedisServer | undefined> {
  const redis = await redisOrSkip(t);
  if (!redis) return undefined;
  const server = await openServer(redis, options);
  closeAtEnd(t, server);
  return server;
}

export async function openServer(redis: Redis, options: ServerOptions = {}): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), 'store-redis-'));
  const port = await freePort();
  const file = join(folder, 'redis.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    'save ""',
    'appendonly no',
    `dir ${folder}`,
    'enable-debug-command local',
    ...(options.lines ?? []).map((line) => line.replaceAll('FOLDER', folder).replaceAll('PORT', String(port))),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  let child: ChildProcess | undefined;

  async function start(): Promise<void> {
    const argv = ['--pdeathsig', 'KILL', redis.server, file, ...(options.args ?? [])];
    const started = spawn('setpriv', argv, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...redis.env },
    });
    child = started;
    let said = '';
    const ready = options.ready ?? /Ready to accept connections/;
    await new Promise<void>((resolve, reject) => {
      started.once('error', reject);
      started.once('exit', () => reject(new Error(`redis-server ended at once: ${said.slice(-1000)}`)));
      createInterface({ input: started.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        said += `${line}\n`;
        if (ready.test(line)) resolve();
      });
    });
  }

  async function kill(): Promise<void> {
    const last = child;
    child = undefined;
    if (!last || last.exitCode !== null || last.signalCode !== null) return;
    const gone = once(last, 'exit');
    last.kill('SIGKILL');
    await gone;
  }

  await start();
  return {
    port,
    folder,
    url: `redis://127.0.0.1:${port}`,
    kill,
    start,
    signal: (signal) => void child?.kill(signal),
    async command(name, ...args) {
      const client = new Client({ host: '127.0.0.1', port, ...options.admin, retryStrategy: null, lazyConnect: true });
      client.on('error', () => {});
      try {
        return await client.call(name, [...args]);
      } finally {
        client.disconnect();
      }
    },
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
