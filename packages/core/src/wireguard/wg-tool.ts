/** WireGuard by wg(8): kernel devices, and userspace ones too, on every system that has wireguard-tools. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, hasCode, type PeerWrite, StunmeshError } from '../api/index.js';
import { formatEndpoint } from '../net/endpoint.js';
import { type CommandResult, OUTPUT_CAP, runCommand, searchedFolders } from './command.js';
import { parseDump } from './dump.js';
import {
  deviceMissing,
  noAnswer,
  permissionMissing,
  protocolError,
  safeLine,
  subject,
  toolMissing,
  toolNotExecutable,
} from './errors.js';
import { wordsOf } from './platform.js';
import type { WireGuardBackend } from './reading.js';

const DEADLINE_MS = 10_000;

/** Peers in one `wg set`; about 110 characters each, so the argument list stays far below any system's limit. */
const PEERS_PER_SET = 500;

/** What wg says where there is no such device: Linux with and without the kernel module, the BSDs, macOS; a socket without a process. */
const NO_DEVICE =
  /unable to (access|modify) interface: (no such device|protocol not supported|operation not supported|device not configured|no such file|address family not supported|connection refused)/i;
/** What it says of an interface that is none of WireGuard's: FreeBSD. Of a write these words mean something else. */
const NOT_WIREGUARD = /unable to access interface: (invalid argument|inappropriate ioctl)/i;
const NO_PERMISSION = /permission denied|operation not permitted/i;

/** wg's own words for "every device". */
const RESERVED_NAMES = new Set(['all', 'interfaces']);

export function createWgToolBackend({
  clock,
  command = 'wg',
}: {
  readonly clock: Clock;
  /** Name in PATH or absolute path of wg(8). */
  readonly command?: string;
}): WireGuardBackend {
  async function wg(device: string, args: readonly string[], signal: AbortSignal, secret?: string): Promise<string> {
    // The stdin that Node gives is a socket, which no program can open by name; behind cat it is a pipe.
    const [file, argv] =
      secret === undefined ? [command, args] : ['/bin/sh', ['-c', 'cat | "$@"', 'sh', command, ...args]];
    try {
      const options = { clock, deadlineMs: DEADLINE_MS, signal, ...(secret !== undefined && { input: secret }) };
      return judge(device, command, await runCommand(file, argv, options));
    } catch (error) {
      if (hasCode(error, 'ERR_DEADLINE') && !signal.aborted) throw noAnswer(device, command, DEADLINE_MS);
      throw error;
    }
  }

  return {
    async list({ signal }) {
      const names = await wg('', ['show', 'interfaces'], signal);
      return names.split(/\s+/).filter((name) => name !== '');
    },
    async read(names, { signal }) {
      if (RESERVED_NAMES.has(names.realName)) throw deviceMissing(names.name, 'wg(8) keeps this name for itself');
      return parseDump(await wg(names.name, ['show', names.realName, 'dump'], signal), names);
    },
    async write(names, writes, { signal }) {
      for (let from = 0; from < writes.length; from += PEERS_PER_SET) {
        const part = writes.slice(from, from + PEERS_PER_SET);
        const secret = part.find((write) => write.presharedKey)?.presharedKey;
        const text = secret && Buffer.from(secret.expose()).toString('base64');
        await wg(names.name, formatSet(names.realName, part), signal, text);
      }
    },
  };
}

/** Arguments of `wg set`; a preshared key is read from stdin, so at most one peer of a write can have one. */
export function formatSet(device: string, writes: readonly PeerWrite[], platform?: NodeJS.Platform): readonly string[] {
  return ['set', device, ...writes.flatMap((write) => formatPeer(write, platform))];
}

function formatPeer(write: PeerWrite, platform: NodeJS.Platform | undefined): readonly string[] {
  const args = ['peer', write.publicKey];
  if (write.remove) return [...args, 'remove'];
  if (write.presharedKey) args.push('preshared-key', wordsOf(platform).stdin);
  if (write.endpoint) args.push('endpoint', formatEndpoint(write.endpoint));
  if (write.keepaliveSeconds !== undefined)
    args.push('persistent-keepalive', write.keepaliveSeconds === 0 ? 'off' : String(write.keepaliveSeconds));
  if (write.allowedIps && write.allowedIps.length > 0) args.push('allowed-ips', write.allowedIps.join(','));
  return args;
}

/** The system says EACCES too where a folder of PATH may not be searched and no other has the command. */
function isFile(command: string): boolean {
  return command.includes('/') || searchedFolders().some((folder) => existsSync(join(folder, command)));
}

/** The output of a child that did well; the failure that another one stands for. */
function judge(device: string, command: string, result: CommandResult): string {
  if (result.spawnCode === 'ENOENT' || result.exitCode === 127) throw toolMissing(command);
  if (result.spawnCode === 'EACCES' || result.exitCode === 126)
    throw isFile(command) ? toolNotExecutable(command) : toolMissing(command);
  if (result.capped) throw protocolError(device, command, `more than ${OUTPUT_CAP} characters`);
  if (result.exitCode === 0) return result.stdout;
  if (NO_PERMISSION.test(result.stderr)) throw permissionMissing(device);
  if (NO_DEVICE.test(result.stderr)) throw deviceMissing(device);
  if (NOT_WIREGUARD.test(result.stderr)) throw deviceMissing(device, 'the interface of this name is none of WireGuard');
  const said = safeLine(result.stderr);
  const how = result.exitCode === undefined ? (result.spawnCode ?? 'killed') : `exit status ${result.exitCode}`;
  throw new StunmeshError('ERR_WG_FAILED', `${subject(device)}: ${command} failed (${how})${said && `: ${said}`}`, {
    details: { device, command },
  });
}
