/** Frames of an interface by libpcap, in a child process of its own: cap aborts its process when the interface goes away. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { StunmeshError } from '@stunmesh/core/api';
import { formatStunFilter, type StunMatch } from '@stunmesh/core/net';
import { createCapReader } from './cap-messages.js';
import { type LinkType, linkTypeOf } from './frame.js';
import type { FrameListener, FrameSource } from './frame-source.js';

const CHILD = fileURLToPath(new URL('cap-child.js', import.meta.url));
/** cap is made for Node's own interfaces, which Bun has not: there a Node beside it runs the child. */
const RUNTIME = process.versions['bun'] === undefined ? process.execPath : 'node';

/** As cap calls them. */
const LINK_TYPES: Readonly<Record<string, LinkType>> = {
  NULL: 'NULL',
  ETHERNET: 'EN10MB',
  RAW: 'RAW',
  LINKTYPE_LINUX_SLL: 'LINUX_SLL',
};

export interface CapSourceOptions {
  readonly interfaceName: string;
  readonly match: StunMatch;
  readonly listener: FrameListener;
  /** Kills a child that does not get ready. */
  readonly signal: AbortSignal;
  /** cap-child.js, where a bundle keeps it. */
  readonly childPath?: string;
}

/** Resolves when it captures. libpcap's filter cannot be changed there, so another child takes over once it captures; a frame that both
 * saw comes twice. Errors: ERR_CAPTURE_ADDON (cap is not installed), ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN, the signal's reason. */
export async function openCapSource(options: CapSourceOptions): Promise<FrameSource> {
  const over = new AbortController();
  const listener: FrameListener = {
    frame: (linkType, frame) => options.listener.frame(linkType, frame),
    lost(reason) {
      if (over.signal.aborted) return;
      over.abort(reason);
      options.listener.lost(reason);
    },
  };
  let child = await startChild({ ...options, listener });
  return {
    async refilter(match) {
      const next = await startChild({ ...options, listener, match, signal: over.signal });
      child.end();
      child = next;
      if (over.signal.aborted) next.end();
    },
    async [Symbol.asyncDispose]() {
      over.abort();
      child.end();
    },
  };
}

interface CapChild {
  end(): void;
}

/** Errors: as openCapSource. */
function startChild(options: CapSourceOptions): Promise<CapChild> {
  const { interfaceName, match, listener, signal } = options;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const file = options.childPath ?? CHILD;
    if (!existsSync(file)) throw missingError(`there is no ${file}`);
    const child = spawnChild(file, [interfaceName, formatStunFilter(match)]);
    const read = createCapReader();
    let state: 'starting' | 'ready' | 'over' = 'starting';
    let linkType: LinkType | undefined;
    const end = () => {
      state = 'over';
      signal.removeEventListener('abort', onAbort);
      child.kill('SIGKILL');
    };
    const fail = (error: unknown) => {
      const before = state;
      if (before === 'over') return;
      end();
      if (before === 'starting') reject(error);
      else listener.lost(error instanceof Error ? error : new Error(String(error)));
    };
    const onAbort = () => {
      if (state === 'starting') fail(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    child.on('error', (cause) => fail(openError(interfaceName, 'its process did not start', cause)));
    child.on('exit', (code) => {
      const why = code === NOT_FOUND ? `there is no ${RUNTIME}` : 'its process ended: the interface is down or gone';
      fail(openError(interfaceName, why));
    });
    child.stdin?.on('error', () => {});
    child.stdout?.on('data', (piece: Uint8Array) => {
      if (state === 'over') return;
      try {
        for (const message of read(piece)) {
          if (message.kind === 'frame') {
            if (state === 'ready' && linkType) listener.frame(linkType, message.frame);
          } else if (message.kind === 'ready') {
            linkType = readLinkType(interfaceName, message.linkType);
            state = 'ready';
            signal.removeEventListener('abort', onAbort);
            resolve({
              end() {
                if (state !== 'over') end();
              },
            });
          } else fail(message.kind === 'missing' ? missingError(message.text) : refusal(interfaceName, message.text));
        }
      } catch (error) {
        fail(error instanceof RangeError ? openError(interfaceName, 'its process did not speak as expected') : error);
      }
    });
  });
}

/** cap ends its process by abort(3), again and again on a flapping interface: no core dump of each. The shell makes room for the program. */
const WITHOUT_CORE_DUMP = 'ulimit -c 0; exec "$@"';
/** Of a shell that did not find the program. */
const NOT_FOUND = 127;

function spawnChild(file: string, args: readonly string[]): ChildProcess {
  // Nothing of our environment is its business but how to find libraries. What libpcap prints stays unread.
  const { PATH, LD_LIBRARY_PATH } = process.env;
  return spawn('/bin/sh', ['-c', WITHOUT_CORE_DUMP, 'sh', RUNTIME, file, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { ...(PATH !== undefined && { PATH }), ...(LD_LIBRARY_PATH !== undefined && { LD_LIBRARY_PATH }) },
  });
}

function readLinkType(interfaceName: string, text: string): LinkType {
  const number = /^Unknown linktype (\d+)$/.exec(text)?.[1];
  const linkType = number === undefined ? LINK_TYPES[text] : linkTypeOf(Number(number));
  if (linkType) return linkType;
  throw openError(interfaceName, `frames of link type ${text} are not understood`);
}

function openError(interfaceName: string, why: string, cause?: unknown): StunmeshError {
  return new StunmeshError(
    'ERR_CAPTURE_OPEN',
    `the capture by libpcap on ${interfaceName} failed: ${why}`,
    cause === undefined ? {} : { cause },
  );
}

function refusal(interfaceName: string, text: string): StunmeshError {
  if (/permission|not permitted/i.test(text))
    return new StunmeshError(
      'ERR_CAPTURE_PERMISSION',
      `the capture by libpcap on ${interfaceName} needs root: ${text}`,
    );
  return openError(interfaceName, text);
}

function missingError(text: string): StunmeshError {
  return new StunmeshError(
    'ERR_CAPTURE_ADDON',
    `the optional package cap is not there (${text}); with libpcap's headers and a C++ compiler installed ` +
      '(Debian: libpcap-dev g++), run "npm install --global cap@0.2.1"',
  );
}
