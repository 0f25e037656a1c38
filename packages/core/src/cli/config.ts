/** `stunmesh config`: check a configuration, print its schema. */
import type { Command } from 'commander';

export interface ConfigCommandContext {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  stdout(text: string): void;
  stderr(text: string): void;
}

interface FileOptions {
  readonly config?: string;
  readonly configDir?: string;
}

/** Adds `config check` and `config schema`. What is wrong rejects with the codes of loadConfig: the caller prints the message and exits 2. */
export function addConfigCommand(program: Command, context: ConfigCommandContext): void {
  const config = program.command('config').description('check a configuration file, or describe what one may hold');

  config
    .command('check')
    .description('report everything that is wrong with the configuration file; exit 2 where there is anything')
    .argument('[file]', 'the file; without it the one that the daemon would read')
    .option('-c, --config <file>', 'the file')
    .option('--config-dir <dir>', 'the folder of config.yaml or config.yml')
    .action((file: string | undefined, _options: FileOptions, command: Command) =>
      check(context, file, command.optsWithGlobals<FileOptions>()),
    );

  config
    .command('schema')
    .description('print the JSON Schema of the file, for editors, or the reference of its keys')
    .option('--markdown', 'the reference of all keys as a Markdown table')
    .action((options: { readonly markdown?: boolean }) => describe(context, options.markdown === true));
}

async function check(context: ConfigCommandContext, argument: string | undefined, options: FileOptions): Promise<void> {
  const [{ loadConfig }, { collectNotes }, { checkPlugins, joinErrors }, { createSystemClock }, { createLogger }] =
    await Promise.all([
      import('../config/index.js'),
      import('../config/warnings.js'),
      import('../daemon/check-plugins.js'),
      import('../runtime/system-clock.js'),
      import('../telemetry/logger.js'),
    ]);
  const file = argument ?? options.config;
  const loaded = await loadConfig({
    ...(file === undefined ? {} : { file }),
    ...(options.configDir === undefined ? {} : { dir: options.configDir }),
    env: context.env,
    cwd: context.cwd,
  });
  const { config, warnings } = loaded;
  const logger = createLogger({ level: 'silent', format: 'json', colour: false, write: () => undefined });
  const wrong = joinErrors(await checkPlugins({ clock: createSystemClock(), logger }, loaded));
  if (wrong) throw wrong;
  for (const warning of warnings) context.stderr(`warning: ${warning}\n`);
  for (const note of collectNotes(loaded)) context.stderr(`note: ${note}\n`);
  const interfaces = [...config.interfaces.values()];
  const peers = interfaces.reduce((sum, { peers }) => sum + peers.size, 0);
  const counts = [
    count(interfaces.length, 'interface'),
    count(peers, 'peer'),
    count(config.plugins.size, 'plugin'),
    ...(warnings.length === 0 ? [] : [count(warnings.length, 'warning')]),
  ];
  context.stdout(`${config.file}: valid (${counts.join(', ')})\n`);
}

function count(many: number, word: string): string {
  return `${many} ${word}${many === 1 ? '' : 's'}`;
}

async function describe(context: ConfigCommandContext, markdown: boolean): Promise<void> {
  const { formatReference, formatSchema } = await import('../config/reference.js');
  context.stdout(markdown ? formatReference() : formatSchema());
}
