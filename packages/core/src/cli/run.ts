/** `stunmesh` without a command: the daemon, or one round of it with --oneshot. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { StunmeshError } from '../api/errors.js';
import type { Clock, Logger } from '../api/index.js';
import type { LoadedConfig, LoadOptions } from '../config/index.js';
import { suggest } from '../config/suggest.js';
import type { ServiceNotifier } from '../runtime/notify.js';
import { afterStart } from './after-start.js';
import type { CliContext } from './context.js';
import { allowOptimizing, collectGarbage, saveSpace } from './running-heap.js';

interface RunOptions {
  readonly config?: string;
  readonly configDir?: string;
  readonly oneshot?: boolean;
  /** Milliseconds; commander names it by its flag. */
  readonly timeout: number;
  readonly logLevel?: string;
  readonly logFormat?: string;
}

/** A running daemon has two seconds for its end; a second signal ends it at once (F41). */
const STOP_MS = 2_000;
/** With more peers than this, speed is worth more than a few MiB. */
const CROWD = 200;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'disabled'];

export function addRunCommand(program: Command, context: CliContext): void {
  program
    .option('-c, --config <file>', 'the configuration file')
    .option('--config-dir <dir>', 'the folder of config.yaml or config.yml')
    .option('--oneshot', 'connect every peer once, then exit: 0 when all are connected, 1 when not')
    .addOption(
      new Option('--timeout <time>', 'with --oneshot: give up after this long, "90s" or a number of seconds')
        .argParser(parseTimeMs)
        .default(60_000, '60s'),
    )
    .addOption(new Option('--log-level <level>', 'instead of log.level in the file').choices(LEVELS))
    .addOption(new Option('--log-format <format>', 'instead of log.format in the file').choices(['console', 'json']))
    // A word that is no command ends up here, as the command without a name takes everything.
    .allowExcessArguments()
    .action((options: RunOptions, command: Command) => {
      refuseWords(command);
      return run(context, options);
    });
}

function refuseWords(command: Command): void {
  const [word] = command.args;
  if (word === undefined) return;
  const names = command.commands.map((sub) => sub.name());
  const near = suggest(word, names);
  throw new StunmeshError(
    'ERR_USAGE',
    `"${word}" is no command; allowed: ${names.join(', ')}, or none to run the daemon${near === undefined ? '' : `; did you mean "${near}"?`}`,
  );
}

function parseTimeMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  const ms = match ? Number(match[1]) * { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[(match[2] ?? 's') as 's'] : 0;
  if (ms <= 0) throw new InvalidArgumentError('a positive time is needed, such as 90s.');
  return ms;
}

async function run(context: CliContext, options: RunOptions): Promise<void> {
  // Heard from the start on: a SIGHUP that nobody listens to ends a process.
  let asked = false;
  let reload = (): void => {
    asked = true;
  };
  if (options.oneshot !== true) context.signals.on('SIGHUP', () => reload());
  context.outlivesOutput = options.oneshot !== true;
  const [{ loadConfigAside }, { createLogger, describeError }, { isJournal }, { createSystemClock }, { startDaemon }] =
    await Promise.all([
      import('../config/load-aside.js'),
      import('../telemetry/logger.js'),
      import('../telemetry/journal.js'),
      import('../runtime/system-clock.js'),
      import('../daemon/daemon.js'),
    ]);
  const where: LoadOptions = {
    ...(options.config === undefined ? {} : { file: options.config }),
    ...(options.configDir === undefined ? {} : { dir: options.configDir }),
    env: context.env,
    cwd: context.cwd,
  };
  const expectCrowd = ({ config }: LoadedConfig): void => {
    if (countPeers(config) > CROWD) allowOptimizing();
  };
  const clock = createSystemClock();
  const load = () => loadConfigAside({ ...where, clock, program: context.program ?? '' });
  const loaded = await load();
  expectCrowd(loaded);
  const level = (options.logLevel === 'disabled' ? 'silent' : options.logLevel) ?? loaded.config.log.level;
  const logger = createLogger({
    level: level as Parameters<typeof createLogger>[0]['level'],
    format: (options.logFormat as 'console' | 'json' | undefined) ?? loaded.config.log.format,
    colour: context.colour,
    journal: isJournal(context.env, process.stdout.fd),
    write: context.stdout,
  });
  for (const warning of loaded.warnings) logger.warn({}, warning);

  const stop = followSignals(() => {
    // Whatever still hangs after that must not keep the process.
    void clock.sleep(STOP_MS).then(() => process.exit(process.exitCode ?? 0));
  });
  process.on('unhandledRejection', (error) => logger.error({ error: describeError(error) }, 'internal error'));
  const daemon = await startDaemon({ loaded, clock, logger });
  if (options.oneshot === true) {
    const { waitUntilConnected } = await import('../daemon/oneshot.js');
    const result = await waitUntilConnected(daemon, clock, options.timeout, stop);
    await daemon[Symbol.asyncDispose]();
    context.stdout(`${result.lines.join('\n')}\n`);
    await context.flushed();
    process.exit(result.connected ? 0 : 1);
  }
  void afterStart(daemon, clock).then(() => {
    saveSpace();
    if (countPeers(loaded.config) <= CROWD) collectGarbage();
  });
  // One reload at a time, each from the file as it is then; a file that does not validate changes nothing.
  let reloading: Promise<void> = Promise.resolve();
  reload = () => {
    reloading = reloading.then(async () => {
      try {
        const again = await load();
        expectCrowd(again);
        for (const warning of again.warnings) logger.warn({}, warning);
        await daemon.reload(again);
      } catch (error) {
        logger.error({ error }, 'configuration not reloaded, nothing changed');
      }
    });
  };
  if (asked) reload();
  const service = await openNotifier(context, clock, logger);
  await service?.ready(`devices: ${daemon.devices.map(({ name }) => name).join(', ')}`);
  void service?.watch(stop);
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.all([service?.stopping(), daemon[Symbol.asyncDispose]()]);
  process.exit(0);
}

function countPeers({ interfaces }: LoadedConfig['config']): number {
  return [...interfaces.values()].reduce((sum, { peers }) => sum + peers.size, 0);
}

/** Loaded only where systemd waits to be told. */
async function openNotifier({ env }: CliContext, clock: Clock, logger: Logger): Promise<ServiceNotifier | undefined> {
  if (env['NOTIFY_SOCKET'] === undefined) return undefined;
  return (await import('../runtime/notify.js')).createNotifier({ env, clock, logger });
}

/** The first SIGINT or SIGTERM aborts, the second one ends the process at once. */
function followSignals(onFirst: () => void): AbortSignal {
  const stop = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143);
    stop.abort();
    onFirst();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return stop.signal;
}
