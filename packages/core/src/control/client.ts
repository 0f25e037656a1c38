/** Talks to daemons through their control sockets. */
import { readdir } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { isStunmeshError, StunmeshError } from '../api/index.js';
import type { ControlEvent, Snapshot } from './snapshot.js';

/** About 1,000 characters a peer: room for tens of thousands of them in a line. */
const MOST_CHARACTERS = 64 * 1024 * 1024;

/** Paths of the control sockets in a run_dir; empty when there is none. Errors: ERR_CONTROL_DENIED (it may not be read). */
export async function findControlSockets(runDir: string): Promise<readonly string[]> {
  const names = await readdir(runDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EACCES' || error.code === 'EPERM') throw notAllowed(runDir);
    return [] as string[];
  });
  return names
    .filter((name) => name.endsWith('.sock'))
    .sort()
    .map((name) => join(runDir, name));
}

/** Those of these devices, or of all when none is named; at least one. Errors: ERR_CONTROL_NOT_RUNNING, ERR_CONTROL_DENIED. */
export async function controlSockets(runDir: string, devices: readonly string[]): Promise<readonly string[]> {
  const paths =
    devices.length > 0 ? devices.map((name) => join(runDir, `${name}.sock`)) : await findControlSockets(runDir);
  if (paths.length > 0) return paths;
  throw new StunmeshError(
    'ERR_CONTROL_NOT_RUNNING',
    `no daemon has a control socket in ${runDir}; start stunmesh, or name its run_dir by --run-dir`,
  );
}

function notAllowed(path: string): StunmeshError {
  return new StunmeshError(
    'ERR_CONTROL_DENIED',
    `whether a daemon runs cannot be told: ${path} may not be read (permission denied); ask as root`,
  );
}

/** The daemon's present state. Errors: ERR_CONTROL_NOT_RUNNING, ERR_CONTROL_DENIED, ERR_CONTROL_PROTOCOL. */
export async function readSnapshot(path: string, signal: AbortSignal): Promise<Snapshot> {
  for await (const message of openStream(path, 'snapshot', signal)) {
    if (message.type === 'snapshot') return message;
  }
  throw new StunmeshError('ERR_CONTROL_PROTOCOL', `the daemon at ${path} closed the connection without an answer`);
}

/** A snapshot, then every event until the daemon ends or the signal aborts. Errors: as readSnapshot. */
export async function* openStream(
  path: string,
  op: 'snapshot' | 'events',
  signal: AbortSignal,
): AsyncGenerator<Snapshot | ControlEvent> {
  if (signal.aborted) return;
  const socket = createConnection({ path });
  const abort = () => socket.destroy();
  signal.addEventListener('abort', abort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('close', () =>
        reject(new StunmeshError('ERR_CONTROL_NOT_RUNNING', `the connection to ${path} was closed`)),
      );
      socket.once('error', (error: NodeJS.ErrnoException) => reject(notRunning(path, error)));
    });
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.write(`${JSON.stringify({ op })}\n`);
    let buffer = '';
    for await (const chunk of socket) {
      buffer += chunk as string;
      if (buffer.length > MOST_CHARACTERS) throw notOurs(path);
      for (let end = buffer.indexOf('\n'); end >= 0; end = buffer.indexOf('\n')) {
        yield parseMessage(path, buffer.slice(0, end));
        buffer = buffer.slice(end + 1);
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    throw isStunmeshError(error) ? error : notRunning(path, error as NodeJS.ErrnoException);
  } finally {
    signal.removeEventListener('abort', abort);
    socket.destroy();
  }
}

function notRunning(path: string, error: NodeJS.ErrnoException): StunmeshError {
  const why = error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? 'no daemon serves it' : String(error.code);
  const [code, text] =
    error.code === 'EACCES' || error.code === 'EPERM'
      ? (['ERR_CONTROL_DENIED', 'permission denied; ask as root'] as const)
      : (['ERR_CONTROL_NOT_RUNNING', why] as const);
  return new StunmeshError(code, `cannot reach a daemon at ${path}: ${text}`, { cause: error });
}

function parseMessage(path: string, line: string): Snapshot | ControlEvent {
  try {
    const message = JSON.parse(line) as Snapshot | ControlEvent | { type: 'error' };
    if (message.type === 'snapshot' || message.type === 'event') return message;
  } catch {
    // Falls through: whatever it is, it is not ours.
  }
  throw notOurs(path);
}

function notOurs(path: string): StunmeshError {
  return new StunmeshError('ERR_CONTROL_PROTOCOL', `what answers at ${path} is not a stunmesh daemon of this version`);
}
