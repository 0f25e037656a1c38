/** `stunmesh doctor`: why a tunnel is not direct, and what to do about it. */
import { randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import type { StunmeshError } from '../api/index.js';
import type { LoadedConfig } from '../config/index.js';
import type { Finding } from '../doctor/finding.js';
import type { Scope } from '../doctor/scope.js';
import { VERSION } from '../version.js';
import type { CliContext } from './context.js';
import { allowOptimizing } from './running-heap.js';

interface DoctorOptions {
  readonly config?: string;
  readonly configDir?: string;
  readonly json?: boolean;
  readonly device?: string;
  /** --no-store-write. */
  readonly storeWrite: boolean;
}

const HELP = `
It asks the STUN servers from WireGuard's own port, writes and reads one key of
its own in each store, and looks at records, handshakes and a running daemon.
Tunnels are not touched. It needs the rights of the daemon: run it as root.
Exit status: 0 when all is well (notes may be there), 1 with warnings, 2 with a
fault.
`;

/** Adds `doctor`. A configuration that is missing or wrong is one of its findings. */
export function addDoctorCommand(program: Command, context: CliContext): void {
  program
    .command('doctor')
    .description('look for what keeps tunnels from being direct, and say what to do')
    .argument('[device]', 'only this device')
    .argument('[peer]', 'only this peer of it, by name or public key')
    .option('-c, --config <file>', 'the configuration file')
    .option('--config-dir <dir>', 'the folder of config.yaml or config.yml')
    .addOption(new Option('--device <name>', 'only this device').hideHelp())
    .option('--json', 'one JSON object instead of the text')
    .option('--no-store-write', 'read the stores only')
    .addHelpText('after', HELP)
    .action((device: string | undefined, peer: string | undefined, _own: unknown, command: Command) => {
      const options = command.optsWithGlobals<DoctorOptions>();
      return doctor(context, options, scopeOf(device ?? options.device, peer));
    });
}

function scopeOf(device: string | undefined, peer: string | undefined): Scope {
  return { ...(device === undefined ? {} : { device }), ...(peer === undefined ? {} : { peer }) };
}

async function doctor(context: CliContext, options: DoctorOptions, scope: Scope): Promise<void> {
  // It opens many records at once and is gone soon.
  allowOptimizing();
  const [{ examine }, { createReport, formatGroup, formatSummary }, { exitStatus }, parts] = await Promise.all([
    import('../doctor/examine.js'),
    import('../doctor/report.js'),
    import('../doctor/finding.js'),
    collect(context, options, scope),
  ]);
  const findings: Finding[] = [];
  for await (const group of examine(parts.doctor)) {
    findings.push(...group);
    if (options.json !== true) context.stdout(formatGroup(group, context));
  }
  await parts.composition[Symbol.asyncDispose]();
  if (options.json === true)
    context.stdout(`${JSON.stringify(createReport(findings, VERSION, parts.doctor.clock.wallNow()), undefined, 2)}\n`);
  else context.stdout(`\n${formatSummary(findings, context)}`);
  await context.flushed();
  // A call that still hangs somewhere must not keep the process.
  context.status = exitStatus(findings);
  context.exit();
}

/** The same parts as the daemon's, but for the controllers. */
async function collect(context: CliContext, options: DoctorOptions, scope: Scope) {
  const [
    { loadConfig },
    { openComposition },
    { createSystemClock },
    { createLogger },
    { createSystem },
    { readSnapshot },
    { checkScope },
  ] = await Promise.all([
    import('../config/index.js'),
    import('../daemon/components.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
    import('../doctor/system.js'),
    import('../control/client.js'),
    import('../doctor/scope.js'),
  ]);
  const clock = createSystemClock();
  const logger = createLogger({ level: 'silent', format: 'console', colour: false, write: () => undefined });
  const loaded: LoadedConfig | StunmeshError = await loadConfig({
    ...(options.config === undefined ? {} : { file: options.config }),
    ...(options.configDir === undefined ? {} : { dir: options.configDir }),
    env: context.env,
    cwd: context.cwd,
  }).catch((error: StunmeshError) => error);
  const found = 'config' in loaded ? loaded : undefined;
  if (found) checkScope(found.config, scope);
  const composition = await openComposition({ clock, logger, ...(found ? { loaded: found } : {}) });
  const host = composition.host(found);
  const stop = new AbortController();
  context.signals.once('SIGINT', () => {
    context.status = 130;
    context.exit();
  });
  return {
    composition,
    doctor: {
      clock,
      loaded,
      control: composition.control,
      system: createSystem(context.env),
      resolve: composition.resolve,
      random: (bytes: number) => Uint8Array.from(randomBytes(bytes)),
      capture: composition.capture,
      underlay: composition.underlay,
      openStore: host.openStore,
      readSnapshot,
      scope,
      storeWrite: options.storeWrite,
      signal: stop.signal,
    },
  };
}
