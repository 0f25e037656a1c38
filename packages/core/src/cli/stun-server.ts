/** `stunmesh stun-server`: a small STUN server of one's own. */
import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import type { Endpoint } from '../api/index.js';
import { createEndpoint, formatEndpoint, parseAddress, parseEndpoint } from '../net/index.js';
import { DEFAULT_RATE_PER_SECOND, DEFAULT_STUN_PORT } from '../stun-server/defaults.js';
import { allowOptimizing } from './small-heap.js';

interface StunServerFlags {
  readonly listen: readonly Endpoint[];
  readonly rate: number;
  readonly alternatePort?: number;
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
    .option('--alternate-port <port>', 'second port of a NAT behaviour server (default: the first plus 1)', parsePort)
    .action(run);
}

async function run(flags: StunServerFlags): Promise<void> {
  allowOptimizing();
  // Waiting for the signals begins first, so that none of them can fall between listening and waiting.
  const stopped = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  const [{ openStunServer }, { createSystemClock }, { createLogger }] = await Promise.all([
    import('../stun-server/index.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
  ]);
  const server = await openStunServer({
    addresses: flags.listen,
    ratePerSecond: flags.rate,
    ...(flags.alternatePort !== undefined && { alternatePort: flags.alternatePort }),
    clock: createSystemClock(),
    logger: createLogger({
      level: 'warn',
      format: 'console',
      colour: false,
      write: (line) => process.stderr.write(line),
    }),
  });
  process.stdout.write(server.addresses.map((address) => `listening on ${formatEndpoint(address)}\n`).join(''));
  await stopped;
  await server[Symbol.asyncDispose]();
}

function collectAddress(text: string, before: readonly Endpoint[] = []): readonly Endpoint[] {
  const bytes = parseAddress(text);
  const endpoint = bytes ? createEndpoint(bytes, DEFAULT_STUN_PORT) : parseEndpoint(text);
  if (!endpoint)
    throw new InvalidArgumentError(
      'It must be a numeric address, e.g. 192.0.2.1, 192.0.2.1:3478 or [2001:db8::1]:3478.',
    );
  return [...before, endpoint];
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
