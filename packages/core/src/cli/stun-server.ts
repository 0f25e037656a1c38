/** `stunmesh stun-server`: a small STUN server of one's own. */
import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import { type Endpoint, StunmeshError } from '../api/index.js';
import { createEndpoint, formatEndpoint, parseAddress, parseEndpoint, refusedAddress } from '../net/index.js';
import { DEFAULT_RATE_PER_SECOND, DEFAULT_STUN_PORT, DEFAULT_TOTAL_PER_SECOND } from '../stun-server/defaults.js';
import type { StunServer } from '../stun-server/index.js';
import type { HttpPages } from '../telemetry/http-pages.js';
import { allowOptimizing, saveSpace } from './running-heap.js';

interface StunServerFlags {
  readonly listen: readonly Endpoint[];
  readonly rate: number;
  readonly totalRate: number;
  readonly alternatePort?: number;
  readonly metrics?: Endpoint;
  readonly metricsRemote?: boolean;
}

/** Adds `stun-server`, which runs until SIGINT or SIGTERM. Errors of its action: ERR_STUN_SERVER, ERR_USAGE. */
export function addStunServerCommand(program: Command): void {
  program
    .command('stun-server')
    .description('answer STUN binding requests; with two addresses of one family also NAT behaviour tests (RFC 5780)')
    .requiredOption(
      '--listen <address[:port]>',
      `numeric address to listen on, port ${DEFAULT_STUN_PORT} unless given; may be repeated`,
      collectAddress,
    )
    .option('--rate <n>', 'answers a second to one source address', parseRate, DEFAULT_RATE_PER_SECOND)
    .option('--total-rate <n>', 'answers a second to all sources together', parseRate, DEFAULT_TOTAL_PER_SECOND)
    .option('--metrics <address:port>', 'serve /metrics and /healthz by HTTP at this loopback address', parseListen)
    .option('--metrics-remote', 'allow --metrics an address that others reach')
    .option('--alternate-port <port>', 'second port of a NAT behaviour server (default: the first plus 1)', parsePort)
    .action(run);
}

async function run(flags: StunServerFlags): Promise<void> {
  allowOptimizing();
  saveSpace();
  const over = new AbortController();
  // Waiting for the signals begins first, so that none of them can fall between listening and waiting.
  const signals = Promise.race([once(process, 'SIGINT', over), once(process, 'SIGTERM', over)]);
  const stopped = signals.catch(() => undefined);
  try {
    await serve(flags, stopped);
  } finally {
    over.abort();
  }
}

async function serve(flags: StunServerFlags, stopped: Promise<unknown>): Promise<void> {
  const { metrics } = flags;
  const bytes = metrics && parseAddress(metrics.address);
  if (bytes && flags.metricsRemote !== true && refusedAddress(bytes) !== 'loopback')
    throw new StunmeshError(
      'ERR_USAGE',
      `--metrics ${formatEndpoint(metrics)}: no loopback address; add --metrics-remote where others may read metrics`,
    );
  const [{ openStunServer }, { createSystemClock }, { createLogger }, { isJournal }] = await Promise.all([
    import('../stun-server/index.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
    import('../telemetry/journal.js'),
  ]);
  await using server = await openStunServer({
    addresses: flags.listen,
    ratePerSecond: flags.rate,
    totalPerSecond: flags.totalRate,
    ...(flags.alternatePort !== undefined && { alternatePort: flags.alternatePort }),
    clock: createSystemClock(),
    logger: createLogger({
      level: 'warn',
      format: 'console',
      colour: false,
      journal: isJournal(process.env, process.stderr.fd),
      write: (line) => process.stderr.write(line),
    }),
  });
  await using pages = metrics && (await serveMetrics(metrics, server));
  process.stdout.write(server.addresses.map((address) => `listening on ${formatEndpoint(address)}\n`).join(''));
  if (pages) process.stdout.write(`metrics on http://${formatEndpoint(pages.address)}/metrics\n`);
  await stopped;
}

/** Loaded only when asked for. Errors: ERR_METRICS_LISTEN; who asked for metrics by a flag sees at once that there are none. */
async function serveMetrics(listen: Endpoint, server: StunServer): Promise<HttpPages> {
  const [{ openHttpPages }, { createStunServerMetrics }] = await Promise.all([
    import('../telemetry/http-pages.js'),
    import('../telemetry/stun-server-metrics.js'),
  ]);
  const { page } = createStunServerMetrics(() => server.counters, Date.now());
  // It answers, so its one event loop turns, and its sockets are read.
  const healthz = () => ({ status: 200, type: 'text/plain; charset=utf-8', body: 'ok\n' });
  return openHttpPages(listen, { '/metrics': page, '/healthz': healthz });
}

function collectAddress(text: string, before: readonly Endpoint[] = []): readonly Endpoint[] {
  // In brackets it is an IPv6 address, with or without a port after it.
  const bytes = parseAddress(/^\[(.*:.*)\]$/.exec(text)?.[1] ?? text);
  const endpoint = bytes ? createEndpoint(bytes, DEFAULT_STUN_PORT) : parseEndpoint(text);
  if (!endpoint)
    throw new InvalidArgumentError(
      'It must be a numeric address, e.g. 192.0.2.1, 192.0.2.1:3478, [2001:db8::1] or [2001:db8::1]:3478.',
    );
  return [...before, endpoint];
}

function parseListen(text: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (!endpoint) throw new InvalidArgumentError('It must be a numeric address and a port, e.g. 127.0.0.1:9587.');
  return endpoint;
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (!/^\d+$/.test(text) || rate < 1) throw new InvalidArgumentError('It must be a whole number of at least 1.');
  return rate;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65535) throw new InvalidArgumentError('It must be 1 to 65535.');
  return port;
}
