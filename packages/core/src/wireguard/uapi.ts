/** WireGuard by the userspace socket DIR/NAME.sock (wireguard-go, boringtun): one short connection an operation. */
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Clock, hasCode, StunmeshError } from '../api/index.js';
import { deviceMissing, noAnswer, permissionMissing, protocolError, subject } from './errors.js';
import type { WireGuardBackend } from './reading.js';
import { ANSWER_END, checkAnswer, formatSetRequest, GET_REQUEST, parseGetAnswer } from './uapi-codec.js';

const DEADLINE_MS = 5_000;
const SOURCE = 'the userspace socket';

/** About 500 characters a peer: room for tens of thousands. */
const ANSWER_CAP = 32 * 1024 * 1024;

/** No folder, no socket, a file in its place, or a socket whose process died. */
const NOBODY_THERE = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK']);

export function createUapiBackend({ clock, dir }: { readonly clock: Clock; readonly dir: string }): WireGuardBackend {
  async function ask(device: string, realName: string, request: string, signal: AbortSignal): Promise<string> {
    using deadline = clock.deadline(DEADLINE_MS, signal);
    try {
      return await exchange(device, join(dir, `${realName}.sock`), request, deadline.signal);
    } catch (error) {
      if (hasCode(error, 'ERR_DEADLINE') && !signal.aborted) throw noAnswer(device, SOURCE, DEADLINE_MS);
      throw error;
    }
  }

  return {
    async list({ signal }) {
      signal.throwIfAborted();
      const entries = await readdir(dir).catch(() => []);
      return entries.filter((entry) => entry.endsWith('.sock')).map((entry) => entry.slice(0, -'.sock'.length));
    },
    async read(names, { signal }) {
      return parseGetAnswer(await ask(names.name, names.realName, GET_REQUEST, signal), names);
    },
    async write(names, writes, { signal }) {
      checkAnswer(await ask(names.name, names.realName, formatSetRequest(writes), signal), names.name);
    },
  };
}

function exchange(device: string, path: string, request: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const chunks: string[] = [];
    let length = 0;
    let tail = '';
    const socket = connect(path);
    const settle = (finish: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      finish();
    };
    const fail = (error: unknown) => settle(() => reject(error));
    const onAbort = () => fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.setEncoding('latin1');
    socket.on('error', (error: NodeJS.ErrnoException) => fail(connectError(device, error)));
    socket.on('close', () => fail(protocolError(device, SOURCE, 'it closed before its answer was complete')));
    socket.on('data', (chunk: string) => {
      chunks.push(chunk);
      length += chunk.length;
      tail = (tail + chunk).slice(-64);
      if (length > ANSWER_CAP) fail(protocolError(device, SOURCE, `more than ${ANSWER_CAP} characters`));
      else if (ANSWER_END.test(tail)) settle(() => resolve(chunks.join('')));
    });
    socket.write(request);
  });
}

function connectError(device: string, error: NodeJS.ErrnoException): StunmeshError {
  const code = error.code ?? 'unknown';
  if (NOBODY_THERE.has(code)) return deviceMissing(device, 'nothing answers at its userspace socket');
  if (code === 'EACCES' || code === 'EPERM')
    return permissionMissing(device, 'run stunmesh as root or as the owner of its userspace socket');
  return new StunmeshError('ERR_WG_FAILED', `${subject(device)}: ${SOURCE} failed (${code})`, {
    details: { device, cause: code },
  });
}
