/** `stunmesh cleanup`: takes the packet filter rules out that stunmesh put in and that outlive it (F49). */
import type { Command } from 'commander';
import type { CliContext } from './context.js';

interface CleanupOptions {
  readonly capture: string;
}

export function addCleanupCommand(program: Command, context: CliContext): void {
  program
    .command('cleanup')
    .description('remove the packet filter rules that stunmesh left in place, for good')
    .argument('[device...]', 'only those of these devices')
    .option('--capture <name>', 'the capture module that put them in, as in the configuration', 'auto')
    .action((devices: readonly string[], { capture }: CleanupOptions) => cleanup(context, devices, capture));
}

async function cleanup(context: CliContext, devices: readonly string[], name: string): Promise<void> {
  const [{ createHost }, { createSystemClock }, { createLogger }] = await Promise.all([
    import('../daemon/components.js'),
    import('../runtime/system-clock.js'),
    import('../telemetry/logger.js'),
  ]);
  const logger = createLogger({ level: 'warn', format: 'console', colour: context.colour, write: context.stderr });
  const capture = await createHost({ clock: createSystemClock(), logger }, undefined).loadCapture(name);
  if (!capture.removeRules) {
    context.stdout('stunmesh puts no rules into the packet filter of this system: there is nothing to remove\n');
    return;
  }
  const found = new Set<string>();
  for (const device of devices.length > 0 ? devices : [undefined])
    for (const removed of await capture.removeRules(device)) found.add(removed);
  for (const device of found)
    context.stdout(`removed the rules of ${device}; a daemon that still needs them puts them in again\n`);
  const none = devices.length > 0 ? devices.filter((device) => !found.has(device)) : [];
  for (const device of none) context.stdout(`there are no rules of ${device}\n`);
  if (devices.length === 0 && found.size === 0) context.stdout('there are no rules of stunmesh on this host\n');
}
