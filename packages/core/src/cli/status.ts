/** `stunmesh status`: what running daemons say of themselves. */
import { type Command, Option } from 'commander';
import { StunmeshError } from '../api/index.js';
import { foldersOf } from '../config/folders.js';
import { suggest } from '../config/suggest.js';
import type { PeerSnapshot, Snapshot } from '../control/snapshot.js';
import type { CliContext } from './context.js';

const ANSWER_MS = 3_000;
const WATCH_MS = 1_000;

interface StatusOptions {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly peer: readonly string[];
  readonly notConnected?: boolean;
  readonly check?: boolean;
  readonly runDir: string;
}

export function addStatusCommand(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('show the devices and peers of the running daemons')
    .argument('[device...]', 'only these devices')
    .option('--json', 'one JSON object a line: a snapshot of each daemon')
    .option('--watch', 'go on: the table anew every second, or with --json every event as it happens')
    .addOption(
      new Option('--peer <name>', 'only the peer of this name or public key; may be given again')
        .argParser((value: string, before: readonly string[]) => [...before, value])
        .default([]),
    )
    .option('--not-connected', 'only peers that are not connected')
    .option('--check', 'exit with 1 when anything that is shown is not well')
    .option('--run-dir <dir>', 'where the control sockets are', foldersOf().run)
    .action((devices: readonly string[], options: StatusOptions) => status(context, devices, options));
}

async function status(context: CliContext, devices: readonly string[], options: StatusOptions): Promise<void> {
  const [{ controlSockets, openStream, readSnapshot }, { createSystemClock }, { formatStatus }, { allWell }] =
    await Promise.all([
      import('../control/client.js'),
      import('../runtime/system-clock.js'),
      import('../control/format-status.js'),
      import('../control/status-remarks.js'),
    ]);
  const paths = await controlSockets(options.runDir, devices);
  const clock = createSystemClock();
  const stop = new AbortController();
  context.signals.once('SIGINT', () => stop.abort());
  context.signals.once('SIGTERM', () => stop.abort());
  if (options.watch === true && options.json === true) {
    const follow = async (path: string): Promise<void> => {
      for await (const message of openStream(path, 'events', stop.signal))
        context.stdout(`${JSON.stringify(message)}\n`);
    };
    await Promise.all(paths.map(follow));
    return;
  }
  const shows = (peer: PeerSnapshot): boolean =>
    (options.notConnected !== true || peer.phase !== 'connected' || !peer.present) &&
    (options.peer.length === 0 || options.peer.some((wanted) => wanted === peer.name || wanted === peer.publicKey));

  const show = async (): Promise<string> => {
    using deadline = clock.deadline(ANSWER_MS, stop.signal);
    const answers = await Promise.allSettled(paths.map((path) => readSnapshot(path, deadline.signal)));
    const failures = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as Error] : []));
    const snapshots = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (snapshots.length === 0 && failures[0]) throw failures[0];
    refuseUnknownPeers(options.peer, snapshots);
    if (options.check === true) context.status = failures.length === 0 && allWell(snapshots.map(part)) ? 0 : 1;
    if (options.json === true) return snapshots.map((each) => `${JSON.stringify(part(each))}\n`).join('');
    const format = { colour: context.colour, columns: context.columns, shows };
    // One daemon that does not answer hides none of the others.
    const silent = failures.map(({ message }) => `! ${message}\n`).join('');
    return `${formatStatus(snapshots, clock.wallNow(), format)}${silent}`;
  };
  const part = (snapshot: Snapshot): Snapshot => ({
    ...snapshot,
    devices: snapshot.devices.map((device) => ({ ...device, peers: device.peers.filter(shows) })),
  });

  if (options.watch !== true) {
    context.stdout(await show());
    return;
  }
  const { openScreen } = await import('./screen.js');
  const screen = openScreen(context);
  try {
    while (!stop.signal.aborted) {
      screen.draw(await show());
      await clock.sleep(WATCH_MS, stop.signal).catch(() => undefined);
    }
  } finally {
    screen.close();
  }
}

/** A name that no daemon knows is a slip, not an empty table. */
function refuseUnknownPeers(wanted: readonly string[], snapshots: readonly Snapshot[]): void {
  const peers = snapshots.flatMap(({ devices }) => devices.flatMap((device) => device.peers));
  const unknown = wanted.find((name) => !peers.some((peer) => peer.name === name || peer.publicKey === name));
  if (unknown === undefined) return;
  const near = suggest(
    unknown,
    peers.map(({ name }) => name),
  );
  throw new StunmeshError(
    'ERR_USAGE',
    `no peer is called "${unknown}"${near === undefined ? '' : `; did you mean "${near}"?`}`,
  );
}
