/** `stunmesh reload`: tells running daemons to read their configuration again, as SIGHUP does. */
import type { Command } from 'commander';
import { foldersOf } from '../config/folders.js';
import type { CliContext } from './context.js';

const ANSWER_MS = 3_000;

export function addReloadCommand(program: Command, context: CliContext): void {
  program
    .command('reload')
    .description('tell running daemons to read their configuration again')
    .argument('[device...]', 'only the daemons of these devices')
    .option('--run-dir <dir>', 'where the control sockets are', foldersOf().run)
    .action((devices: readonly string[], { runDir }: { readonly runDir: string }) => reload(context, devices, runDir));
}

async function reload(context: CliContext, devices: readonly string[], runDir: string): Promise<void> {
  const [{ controlSockets, readSnapshot }, { createSystemClock }, { StunmeshError }] = await Promise.all([
    import('../control/client.js'),
    import('../runtime/system-clock.js'),
    import('../api/index.js'),
  ]);
  const paths = await controlSockets(runDir, devices);
  using deadline = createSystemClock().deadline(ANSWER_MS);
  const snapshots = await Promise.all(paths.map((path) => readSnapshot(path, deadline.signal)));
  for (const pid of new Set(snapshots.map((snapshot) => snapshot.pid))) {
    try {
      process.kill(pid, 'SIGHUP');
    } catch (error) {
      const why =
        (error as NodeJS.ErrnoException).code === 'EPERM'
          ? 'permission denied; ask as root'
          : 'it is not seen from here';
      throw new StunmeshError('ERR_CONTROL_NOT_RUNNING', `process ${pid} cannot be told: ${why}`, { cause: error });
    }
    context.stdout(`process ${pid} reads its configuration again; its log says what changed\n`);
  }
}
