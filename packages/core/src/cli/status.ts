/** `stunmesh status`: what running daemons say of themselves. */
import type { Command } from 'commander';
import { foldersOf } from '../config/folders.js';
import type { CliContext } from './context.js';

const ANSWER_MS = 3_000;
const WATCH_MS = 1_000;
/** ECMA-48: cursor home, erase the screen. */
const CLEAR = '\u001b[H\u001b[2J';

interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly runDir: string;
}

export function addStatusCommand(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show the devices and peers of the running daemons')
    .argument('[device...]', 'only these devices')
    .option('--json', 'one JSON object a line: a snapshot of each daemon')
    .option('--watch', 'go on: the table anew every second, or with --json every event as it happens')
    .option('--run-dir <dir>', 'where the control sockets are', foldersOf().run)
    .action((devices: readonly string[], options: StatusOptions) => status(context, devices, options));
}

async function status(context: CliContext, devices: readonly string[], options: StatusOptions): Promise<void> {
  const [{ findControlSockets, openStream, readSnapshot }, { createSystemClock }, { StunmeshError }, { formatStatus }] =
    await Promise.all([
      import('../control/client.js'),
      import('../runtime/system-clock.js'),
      import('../api/errors.js'),
      import('../control/format-status.js'),
    ]);
  const paths =
    devices.length > 0
      ? devices.map((name) => `${options.runDir}/${name}.sock`)
      : await findControlSockets(options.runDir);
  if (paths.length === 0) {
    throw new StunmeshError(
      'ERR_CONTROL_NOT_RUNNING',
      `no daemon has a control socket in ${options.runDir}; start stunmesh, or name its run_dir by --run-dir`,
    );
  }
  const clock = createSystemClock();
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  if (options.watch === true && options.json === true) {
    await Promise.all(
      paths.map(async (path) => {
        for await (const message of openStream(path, 'events', stop.signal))
          context.stdout(`${JSON.stringify(message)}\n`);
      }),
    );
    return;
  }
  const show = async (): Promise<string> => {
    using deadline = clock.deadline(ANSWER_MS, stop.signal);
    const snapshots = await Promise.all(paths.map((path) => readSnapshot(path, deadline.signal)));
    if (options.json === true) return snapshots.map((snapshot) => `${JSON.stringify(snapshot)}\n`).join('');
    return snapshots.map((snapshot) => formatStatus(snapshot, clock.wallNow(), context.colour)).join('\n');
  };
  context.stdout(await show());
  while (options.watch === true && !stop.signal.aborted) {
    await clock.sleep(WATCH_MS, stop.signal).catch(() => undefined);
    // Clears a terminal's screen; elsewhere a blank line stands between two tables.
    if (!stop.signal.aborted) context.stdout(`${context.colour ? CLEAR : '\n'}${await show()}`);
  }
}
