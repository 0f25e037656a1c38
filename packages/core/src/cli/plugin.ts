/** `stunmesh plugin`: try a store out, configured or given by its program. */
import type { Command } from 'commander';
import type { LoadedConfig } from '../config/index.js';
import type { PluginConfig } from '../host/plugin-config.js';
import type { CliContext } from './context.js';

interface TestOptions {
  readonly config?: string;
  readonly configDir?: string;
  readonly shell?: boolean;
  readonly timeout?: string;
  readonly maxSize?: string;
  readonly protocol?: string;
  readonly parallel?: string;
  readonly format?: string;
}

interface Subject {
  readonly plugin: PluginConfig;
  /** Absent: a program that no configuration names. */
  readonly loaded?: LoadedConfig;
}

const HELP = `
Examples:
  stunmesh plugin test shared -c config.yaml     a plugin of a configuration
  stunmesh plugin test -- ./plugin /srv/records  a program, exec protocol 0
  stunmesh plugin test --protocol 1 -- ./plugin  exec protocol 1, with sessions
  stunmesh plugin test --shell -- ./plugin.sh    the shell protocol

It writes records under random keys and deletes them where the store can do
that; otherwise it names them. The report is for people on a terminal, and TAP
elsewhere. Exit status: 0 when all is well, 1 when a check failed, 2 when the
plugin could not be set up.
`;

/** Adds `plugin test`. What keeps a test from starting rejects with the codes of the configuration and the host. */
export function addPluginCommand(program: Command, context: CliContext): void {
  const plugin = program.command('plugin').description('work with stores and their plugins');
  plugin
    .command('test')
    .description('write, read and replace records in a store, and report what holds')
    .argument('[name...]', 'a plugin of the configuration, or, after --, a program and its arguments')
    .option('-c, --config <file>', 'the configuration file')
    .option('--config-dir <dir>', 'the folder of config.yaml or config.yml')
    .option('--shell', 'the program speaks the shell protocol')
    .option('--protocol <number>', 'the exec protocol that the program speaks: 0 or 1; default: 0')
    .option('--parallel <number>', 'how many calls a program after -- gets at a time; default: 1, with protocol 1: 8')
    .option('--format <name>', 'of the report: tap or human; default: human on a terminal')
    .option('--timeout <duration>', 'how long a call may take; default: that of the configuration, or 10s')
    .option('--max-size <characters>', 'the largest value to try; default: what the store says, or 258 for a program')
    .addHelpText('after', HELP)
    .action(async (words: readonly string[], _own: TestOptions, command: Command) => {
      const failed = await test(context, words, wasGiven(program), {
        ...pick(program.opts<TestOptions>()),
        ...command.opts<TestOptions>(),
      });
      if (failed > 0) context.status = 1;
    });
}

/** What -c and --config-dir say before the command; the daemon's other options mean something else here. */
function pick({ config, configDir }: TestOptions): TestOptions {
  return { ...(config === undefined ? {} : { config }), ...(configDir === undefined ? {} : { configDir }) };
}

/** True when the words stand after "--", which commander takes away. */
function wasGiven(program: Command): boolean {
  return (program as Command & { readonly rawArgs: readonly string[] }).rawArgs.includes('--');
}

async function test(
  context: CliContext,
  words: readonly string[],
  given: boolean,
  options: TestOptions,
): Promise<number> {
  const [{ openComposition }, { testPlugin }, { createSystemClock }, { createLogger }] = await Promise.all([
    import('../daemon/components.js'),
    import('../doctor/plugin-test.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
  ]);
  const { plugin, loaded } = await (given ? fromProgram(words, options) : fromConfig(context, words, options));
  const write = (line: string) => context.stderr(line);
  const logger = createLogger({ level: 'warn', format: 'console', colour: false, write });
  const maxSize = await numberOption(options.maxSize);
  const tried = { ...plugin, timeoutMs: (await durationOption(options.timeout)) ?? plugin.timeoutMs };
  const clock = createSystemClock();
  const format = await formatOption(context, options.format);
  await using composition = await openComposition({ clock, logger, ...(loaded ? { loaded } : {}) });
  return await testPlugin({
    host: composition.host(loaded),
    plugin: tried,
    format,
    ...(maxSize === undefined ? {} : { maxValueBytes: maxSize }),
    write: (text) => context.stdout(text),
  });
}

async function fromProgram(words: readonly string[], options: TestOptions): Promise<Subject> {
  const [command, ...args] = words;
  if (command === undefined) throw await usage('write a program after --, such as: stunmesh plugin test -- ./plugin');
  const type = options.shell === true ? 'shell' : 'exec';
  const protocol = await protocolOption(options.protocol, type);
  const parallel = await parallelOption(options.parallel);
  const settings = {
    command,
    args,
    env: {},
    env_clear: false,
    ...(protocol === undefined ? {} : { protocol }),
    ...(parallel === undefined ? {} : { parallel }),
  };
  return { plugin: { name: command, type, timeoutMs: 10_000, settings } };
}

async function fromConfig(context: CliContext, words: readonly string[], options: TestOptions): Promise<Subject> {
  const [name, ...more] = words;
  if (options.protocol !== undefined)
    throw await usage('--protocol is for a program after --; the configuration says it by "protocol: 1"');
  if (options.parallel !== undefined)
    throw await usage('--parallel is for a program after --; the configuration says it by "parallel: N"');
  if (name === undefined || more.length > 0 || options.shell === true)
    throw await usage('name one plugin of the configuration, or write a program and its arguments after --');
  const { loadConfig } = await import('../config/index.js');
  const loaded = await loadConfig({
    ...(options.config === undefined ? {} : { file: options.config }),
    ...(options.configDir === undefined ? {} : { dir: options.configDir }),
    env: context.env,
    cwd: context.cwd,
  });
  const { config } = loaded;
  const plugin = config.plugins.get(name);
  if (!plugin) {
    const defined = [...config.plugins.keys()].join(', ') || 'none';
    throw await usage(`${config.file} has no plugin "${name}"; it defines: ${defined}; a program goes after --`);
  }
  return { plugin, loaded };
}

async function durationOption(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  const { parseDuration } = await import('../api/index.js');
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw await usage(`--timeout ${text}: write a duration with its unit, such as 10s`);
  return ms;
}

async function numberOption(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,6}$/.test(text)) throw await usage(`--max-size ${text}: write a number of characters, such as 258`);
  return Number(text);
}

async function protocolOption(text: string | undefined, type: 'exec' | 'shell'): Promise<number | undefined> {
  if (text === undefined) return undefined;
  if (type === 'shell') throw await usage('--protocol is for exec plugins; the shell protocol has no versions');
  if (!/^[01]$/.test(text)) throw await usage(`--protocol ${text}: write 0 or 1`);
  return Number(text);
}

async function parallelOption(text: string | undefined): Promise<number | undefined> {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d?$/.test(text) || Number(text) > 64)
    throw await usage(`--parallel ${text}: write a number from 1 to 64`);
  return Number(text);
}

async function formatOption(context: CliContext, text: string | undefined): Promise<'tap' | 'human'> {
  if (text === undefined) return context.columns === undefined ? 'tap' : 'human';
  if (text !== 'tap' && text !== 'human') throw await usage(`--format ${text}: write tap or human`);
  return text;
}

async function usage(message: string): Promise<Error> {
  const { StunmeshError } = await import('../api/errors.js');
  return new StunmeshError('ERR_USAGE', message);
}
