/** The control socket: one JSON object a line, for `status` and whoever watches (mode 0600). */
import { chmod } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { type Clock, makeFolder, StunmeshError } from '../api/index.js';
import { tooManyFiles } from '../runtime/descriptor-limit.js';
import { removeFile } from '../runtime/remove-file.js';
import { inSlices } from '../runtime/slices.js';
import type { ControlEvent } from './snapshot.js';

/** A request is a few words; who sends more is not a client of ours. */
const MAX_REQUEST_CHARS = 4_096;
/** A listener that does not read is dropped before it costs memory. */
const MAX_BACKLOG_BYTES = 1_048_576;
/** Events that wait for a snapshot that is being made: more of them than a snapshot takes time for. */
const MOST_WAITING = 10_000;
/** Whoever opens more is no `status`. */
const MOST_CLIENTS = 64;

/** Less than the 104 (BSD) and 108 (Linux) of sockaddr_un, unix(4) and unix(7). */
const MAX_PATH_BYTES = 100;

export interface ControlServer extends AsyncDisposable {
  publish(event: ControlEvent): void;
}

export interface ControlServerOptions {
  readonly clock: Pick<Clock, 'now' | 'sleep'>;
  /** The device as it is now: snapshotText(). */
  snapshot(): Iterable<string>;
}

/** Serves {"op":"snapshot"} (one line back) and {"op":"events"} (a snapshot, then an event a line) at `path`; the caller holds the device's lock. Errors: ERR_RUN_DIR. */
export async function openControlServer(path: string, o: ControlServerOptions): Promise<ControlServer> {
  const clients = new Set<Socket>();
  /** Who listens; an event that comes while the snapshot before it is still being made waits for that. */
  const listeners = new Map<Socket, string[] | undefined>();

  /** Resolves when it is on its way; what it resolves with, when the client has read it or is gone. */
  const sendSnapshot = async (socket: Socket): Promise<{ readonly read: Promise<void> }> => {
    const pieces: string[] = [];
    await inSlices(o.snapshot(), o.clock, (piece) => pieces.push(piece));
    return { read: new Promise((resolve) => write(socket, `${pieces.join('')}\n`, resolve)) };
  };

  const answer = async (socket: Socket, line: string): Promise<void> => {
    const op = parseOp(line);
    // Before the answer is made: of many peers that takes a while.
    if (socket.writableLength > MAX_BACKLOG_BYTES) socket.destroy();
    else if (op === 'snapshot') await sendSnapshot(socket);
    else if (op === 'events') {
      const waiting: string[] = [];
      listeners.set(socket, waiting);
      // Of many peers it is longer than the backlog that a client may have: what follows it waits until it is read.
      await (await sendSnapshot(socket)).read;
      for (const event of waiting) write(socket, event);
      if (listeners.has(socket)) listeners.set(socket, undefined);
    } else {
      const message = 'ask {"op":"snapshot"} or {"op":"events"}';
      write(socket, `${JSON.stringify({ type: 'error', code: 'ERR_CONTROL_PROTOCOL', message })}\n`);
    }
  };

  const server = createServer((socket) => {
    clients.add(socket);
    let buffer = '';
    let answering = false;
    const answerAll = async (): Promise<void> => {
      if (answering) return;
      answering = true;
      for (let end = buffer.indexOf('\n'); end >= 0; end = buffer.indexOf('\n')) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 1);
        await answer(socket, line);
        // Dropped for what it does not read: what it still asks costs nothing any more.
        if (socket.destroyed) return;
      }
      answering = false;
      if (buffer.length > MAX_REQUEST_CHARS) socket.destroy();
      else socket.resume();
    };
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      buffer += chunk;
      // What is asked meanwhile waits in the socket.
      socket.pause();
      void answerAll().catch(() => socket.destroy());
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clients.delete(socket);
      listeners.delete(socket);
    });
  });

  server.maxConnections = MOST_CLIENTS;
  try {
    await makeFolder(dirname(path), 0o700);
    // Node would bind to as much of the name as the system's 108 bytes hold.
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) throw Object.assign(new Error('too long'), { code: 'ENAMETOOLONG' });
    // Left behind by a crash: the lock says that nobody serves it.
    await removeFile(path);
    await new Promise<void>((resolve, reject) => {
      // It stays: an accept that fails later (no descriptors left) must not end the daemon.
      server.on('error', reject);
      server.listen(path, resolve);
    });
    await chmod(path, 0o600);
  } catch (error) {
    // Open or not: a listening socket would keep the process.
    server.close();
    const { code } = error as NodeJS.ErrnoException;
    const full = tooManyFiles(error);
    if (full !== undefined) throw new StunmeshError('ERR_TOO_MANY_FILES', full, { cause: error });
    throw new StunmeshError(
      'ERR_RUN_DIR',
      `cannot open the control socket ${path} (${code}); run as root, or set run_dir to a folder of your own (the whole path at most 100 characters)`,
      { cause: error },
    );
  }

  return {
    publish(event) {
      if (listeners.size === 0) return;
      const line = `${JSON.stringify(event)}\n`;
      for (const [socket, waiting] of listeners) {
        if (!waiting) write(socket, line);
        else if (waiting.push(line) > MOST_WAITING) socket.destroy();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of clients) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await removeFile(path);
    },
  };
}

/** `done`: it has left this process, or never will. */
function write(socket: Socket, line: string, done?: () => void): void {
  // Who asks on and on without reading the answers costs memory too.
  if (socket.writableLength > MAX_BACKLOG_BYTES) socket.destroy();
  if (socket.destroyed) done?.();
  else socket.write(line, done && (() => done()));
}

function parseOp(line: string): unknown {
  try {
    return (JSON.parse(line) as { op?: unknown } | null)?.op;
  } catch {
    return undefined;
  }
}
