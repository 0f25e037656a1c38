/** Runs a test file of a capture package as root in a network namespace of its own. */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MARK = 'STUNMESH_TEST_NAMESPACE';

/** Why no namespaces with raw sockets can be had here; undefined: they can. */
export function namespacesMissing(): string | undefined {
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root for network namespaces and raw sockets';
  if (spawnSync('unshare', ['-n', 'true']).status !== 0) return 'needs unshare(1) and leave to make network namespaces';
  return undefined;
}

/** True in the copy of the file that runs inside a new namespace; the outer one starts that copy and takes over its exit code.
 * Where tests cannot run it is true too: then every test skips. `limitMs` ends a copy that hangs. */
export function enterNamespace(file: string, cannotRun: string | undefined, limitMs?: number): boolean {
  if (cannotRun !== undefined || process.env[MARK] === file) return true;
  const child = spawnSync('unshare', ['-n', process.execPath, ...process.execArgv, fileURLToPath(file)], {
    stdio: 'inherit',
    env: { ...process.env, [MARK]: file },
    ...(limitMs !== undefined && { timeout: limitMs, killSignal: 'SIGKILL' }),
  });
  process.exitCode = child.status ?? 1;
  return false;
}

/** One ip(8), nft(8) or the like, in this namespace. */
export function run(command: string): string {
  const [file = '', ...args] = command.split(' ');
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Rules for nft(8). */
export function nft(rules: string): void {
  execFileSync('nft', ['-f', '-'], { input: rules, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Adds an address without duplicate address detection, which would keep an IPv6 one from use for a moment. */
export function addAddress(address: string, device: string): string {
  return `ip address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`;
}
