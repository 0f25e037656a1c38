/** `stunmesh init`: a configuration from the WireGuard devices that are there. */
import { type Command, Option } from 'commander';
import { configFile } from '../config/folders.js';
import type { FoundRouter } from '../setup/plan.js';
import type { CliContext } from './context.js';

interface InitFlags {
  readonly device: readonly string[];
  readonly from: readonly string[];
  readonly store?: string;
  readonly storeName?: string;
  readonly set: readonly string[];
  readonly secretFile?: string;
  readonly secretEnv?: string;
  readonly secretStdin?: boolean;
  readonly stun: readonly string[];
  readonly protocol?: string;
  readonly ping?: boolean;
  readonly portMapping?: boolean;
  readonly output: string;
  readonly force?: boolean;
}

const READ_MS = 10_000;
/** A router that is silent keeps nobody waiting longer. */
const ROUTER_MS = 4_000;
/** The way of packets that are no device's. */
const NO_DEVICE = {
  name: '',
  facts: { realName: '', listenPort: 0, firewallMark: 0 },
  config: { listenInterfaces: [], listenDefaultRoute: false },
};
const MOST_SECRET_BYTES = 65_536;

const HELP = `
Examples:
  stunmesh init                                    asks for what it needs
  stunmesh init --store dht                        two sites that share nothing
  stunmesh init --store file --set path=/srv/mesh  asks for nothing
  stunmesh init --from /etc/wireguard/wg0.conf     the device need not be up
  pass redis | stunmesh init --store redis --secret-stdin \\
    --set url=rediss://redis.example.org:6379      its password by a pipe

A secret never goes on the command line: it is asked for, read from stdin, or
named by a file or an environment variable.
`;

export function addInitCommand(program: Command, context: CliContext): void {
  const list = (value: string, before: readonly string[]) => [...before, value];
  program
    .command('init')
    .description('write a configuration for the WireGuard devices of this host')
    .option('-d, --device <name>', 'a device to serve; may be repeated; default: those that are there', list, [])
    .option('--from <file>', 'read this wg-quick file instead of a running device; may be repeated', list, [])
    .option('--store <name>', 'where records lie: dht, file, redis, cloudflare, exec, shell, or a package')
    .option('--store-name <name>', 'what the configuration calls the store; default: shared')
    .option('--set <key=value>', 'a setting of the store; may be repeated', list, [])
    .option('--secret-file <file>', "the store's secret is in this file")
    .option('--secret-env <name>', "the store's secret is in this variable of the daemon's environment")
    .option('--secret-stdin', "read the store's secret from stdin, and keep it in a file beside the configuration")
    .option('--stun <host:port>', 'a STUN server; may be repeated; default: two public ones', list, [])
    .addOption(
      new Option('--protocol <name>', 'address families; default: ipv4').choices(['ipv4', 'ipv6', 'dualstack']),
    )
    .addOption(new Option('--ping', 'watch peers by pings; default: where their address is known'))
    .addOption(new Option('--no-ping', 'do not ping peers'))
    .option('--port-mapping', 'have the router open a port; default: asked for where a router answers')
    .option('-o, --output <file>', 'the file to write', configFile())
    .option('--force', 'replace a file that is there')
    .addHelpText('after', HELP)
    .action((_: InitFlags, command: Command) => init(context, command.opts<InitFlags>(), given(command)));
}

/** Whether --ping or --no-ping was written; commander fills in true. */
function given(command: Command): boolean {
  return command.getOptionValueSource('ping') === 'cli';
}

async function init(context: CliContext, flags: InitFlags, pingGiven: boolean): Promise<void> {
  const [{ initialise }, { openAsker }] = await Promise.all([import('../setup/init.js'), import('../setup/ask.js')]);
  const interactive = process.stdin.isTTY === true && process.stdout.isTTY === true && flags.secretStdin !== true;
  const devices = await findDevices(flags);
  const secretText = flags.secretStdin === true ? await readSecret() : undefined;
  using asker = interactive ? openAsker(process.stdin, process.stdout) : undefined;
  const { store, storeName, secretFile, secretEnv, protocol, ping } = flags;
  const text = await initialise({
    devices,
    flags: {
      settings: flags.set,
      stunServers: flags.stun,
      ...(store === undefined ? {} : { store }),
      ...(storeName === undefined ? {} : { storeName }),
      ...(secretFile === undefined ? {} : { secretFile }),
      ...(secretEnv === undefined ? {} : { secretEnv }),
      ...(secretText === undefined ? {} : { secretText }),
      ...(protocol === undefined ? {} : { protocol }),
      ...(flags.portMapping === true ? { portMapping: true } : {}),
      ...(pingGiven && ping !== undefined ? { ping } : {}),
    },
    ...(asker ? { asker, findRouter } : {}),
    output: flags.output,
    cwd: context.cwd,
    force: flags.force === true,
    check: (file) => check(context, file, flags.output),
  });
  context.stdout(text);
}

async function findDevices(flags: InitFlags) {
  const [{ noDeviceUp, readRunningDevices, readWgQuickFile }, { StunmeshError }] = await Promise.all([
    import('../setup/find-devices.js'),
    import('../api/errors.js'),
  ]);
  if (flags.from.length > 0) {
    if (flags.device.length > 0)
      throw new StunmeshError('ERR_USAGE', '--from names the device by its file; leave --device out');
    return Promise.all(flags.from.map(readWgQuickFile));
  }
  const [{ openComposition }, { createSystemClock }, { createLogger }] = await Promise.all([
    import('../daemon/components.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
  ]);
  const clock = createSystemClock();
  const logger = createLogger({ level: 'silent', format: 'json', colour: false, write: () => undefined });
  await using composition = await openComposition({ clock, logger, devices: () => [] });
  using deadline = clock.deadline(READ_MS);
  const found = await readRunningDevices(composition.control, flags.device, deadline);
  if (found.length > 0) return found;
  throw noDeviceUp();
}

/** Asks the router on the way out; a host without one, or without the rights to ask, has none. */
async function findRouter(): Promise<FoundRouter | undefined> {
  const [{ openComposition }, { createSystemClock }, { createLogger }, { findMappingRouter }] = await Promise.all([
    import('../daemon/components.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
    import('../setup/find-router.js'),
  ]);
  const clock = createSystemClock();
  const logger = createLogger({ level: 'silent', format: 'json', colour: false, write: () => undefined });
  try {
    await using composition = await openComposition({ clock, logger, devices: () => [] });
    using deadline = clock.deadline(ROUTER_MS);
    return await findMappingRouter(await composition.underlay(NO_DEVICE), clock, deadline.signal);
  } catch {
    return undefined;
  }
}

/** All of stdin, without the newline at its end. */
async function readSecret(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.length > MOST_SECRET_BYTES) break;
  }
  return text.replace(/\r?\n$/, '');
}

/** As `config check` and the daemon's start do; of a file that nobody has seen yet no message names lines. */
async function check(context: CliContext, file: string, shownAs: string): Promise<readonly string[]> {
  const readable = (text: string): string => text.replaceAll(placeIn(file), '').replaceAll(file, shownAs);
  try {
    return (await checkFile(context, file)).map(readable);
  } catch (error) {
    if (error instanceof Error) error.message = readable(error.message);
    throw error;
  }
}

function placeIn(file: string): RegExp {
  return new RegExp(`${file.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}(?::\\d+){1,2}: `, 'g');
}

async function checkFile(context: CliContext, file: string): Promise<readonly string[]> {
  const [{ loadConfig }, { checkPlugins, joinErrors }, { createSystemClock }, { createLogger }] = await Promise.all([
    import('../config/index.js'),
    import('../daemon/check-plugins.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
  ]);
  const loaded = await loadConfig({ file, env: context.env, cwd: context.cwd });
  const logger = createLogger({ level: 'silent', format: 'json', colour: false, write: () => undefined });
  const found = await checkPlugins({ clock: createSystemClock(), logger }, loaded);
  const wrong = joinErrors(found);
  if (wrong) throw wrong;
  return loaded.warnings;
}
