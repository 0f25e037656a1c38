/** Reads from our end of a named pipe without a thread of its own, under Node and under Bun. */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';

/** The part of Bun's own interface that is used here (bun.com/docs/runtime/file-io). */
interface BunFiles {
  file(fd: number): { stream(): ReadableStream };
}

/** A stream of what comes out of the pipe; it owns `fd`, which was opened without waiting. */
export function openPipeReader(fd: number): Readable {
  const { Bun } = globalThis as { readonly Bun?: BunFiles };
  if (Bun === undefined) return new Socket({ fd, readable: true, writable: false });
  // Bun's sockets stay silent on a pipe. Its files read one when it has something, on a descriptor of their own.
  const reader = Readable.fromWeb(Bun.file(fd).stream());
  return reader.once('close', () => closeSync(fd));
}
