/** A network namespace with real WireGuard devices for one test file, by wireguard-go or the kernel; needs root. */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { type PublicKey, parsePublicKey, SecretKey } from '#src/api/index.js';
import type { ConformancePeer } from '#src/conformance/index.js';

const run = promisify(execFile);

/** Why no laboratory can be opened here; undefined where it can, or where REQUIRE=all forbids to skip. */
export function labMissing(): string | undefined {
  if (process.env['REQUIRE'] === 'all') return undefined;
  if (process.platform !== 'linux') return 'needs Linux';
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of ['wg', 'wireguard-go', 'ip', 'ping', 'setpriv']) if (!inPath(tool)) return `needs ${tool}`;
  return usable('/dev/net/tun', constants.W_OK) ? undefined : 'needs /dev/net/tun';
}

/** Why there can be no kernel device here; never decided by REQUIRE, since that is the kernel's affair. */
export function kernelMissing(): string | undefined {
  const name = `smt${process.pid}z`;
  try {
    execFileSync('ip', ['link', 'add', name, 'type', 'wireguard'], { stdio: 'ignore' });
    execFileSync('ip', ['link', 'del', name], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs root and a kernel with wireguard';
  }
}

function inPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((dir) => usable(join(dir, tool), constants.X_OK));
}

function usable(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

export interface LabDevice {
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly secretKey: SecretKey;
  readonly listenPort: number;
  readonly firewallMark: number;
  /** Ends the device; its socket goes with it. */
  remove(): Promise<void>;
  /** The way a crash would end it: the socket's file stays behind. */
  kill(): Promise<void>;
  wg(...args: string[]): Promise<string>;
  addPeers(peers: readonly ConformancePeer[]): Promise<void>;
  presharedKey(peer: PublicKey): Promise<SecretKey | undefined>;
}

export interface LabDeviceOptions {
  readonly firewallMark?: number;
  /** With address 10.255.255.1/8. */
  readonly routed?: boolean;
  /** By the kernel instead of wireguard-go. */
  readonly kernel?: boolean;
}

export interface Lab extends AsyncDisposable {
  readonly namespace: string;
  /** A private folder for files of the test, removed with the laboratory. */
  readonly folder: string;
  /** Opens device smt<pid><letter>, up. */
  openDevice(letter: string, o?: LabDeviceOptions): Promise<LabDevice>;
  /** Output of a command inside the namespace. */
  exec(...args: string[]): Promise<string>;
}

let count = 0;

export async function openLab(): Promise<Lab> {
  count += 1;
  const namespace = `smt${process.pid}-${count}`;
  const folder = await mkdtemp(join(tmpdir(), 'smt-'));
  await run('ip', ['netns', 'add', namespace]);
  const children = new Set<ChildProcess>();
  const exec = async (...args: string[]) => {
    const options = { maxBuffer: 2 ** 26 };
    return (await run('ip', ['netns', 'exec', namespace, ...args], options)).stdout;
  };
  const lab: Lab = {
    namespace,
    folder,
    exec,
    async openDevice(letter, { firewallMark = 0, routed = false, kernel = false } = {}) {
      const name = `smt${process.pid}${letter}`;
      const child = kernel ? undefined : await startDevice(namespace, name);
      if (child) children.add(child);
      else await exec('ip', 'link', 'add', name, 'type', 'wireguard');
      const stop = async (signal: NodeJS.Signals) => {
        if (child) await end(child, signal);
        else await exec('ip', 'link', 'del', name);
      };
      const secret = (await run('wg', ['genkey'])).stdout.trim();
      const keyFile = join(folder, `${name}.key`);
      await writeFile(keyFile, secret, { mode: 0o600 });
      const wg = (...args: string[]) => exec('wg', ...args);
      await wg('set', name, 'private-key', keyFile, 'fwmark', String(firewallMark));
      await exec('ip', 'link', 'set', name, 'up');
      if (routed) await exec('ip', 'address', 'add', '10.255.255.1/8', 'dev', name);
      const publicKey = parsePublicKey((await wg('show', name, 'public-key')).trim());
      if (!publicKey) throw new Error('wg shows no public key');
      return {
        name,
        publicKey,
        secretKey: SecretKey.parse(secret),
        listenPort: Number(await wg('show', name, 'listen-port')),
        firewallMark,
        wg,
        remove: () => stop('SIGTERM'),
        kill: () => stop('SIGKILL'),
        async addPeers(peers) {
          const args: string[] = [];
          for (const [i, peer] of peers.entries()) {
            args.push('peer', peer.publicKey, 'persistent-keepalive', String(peer.keepaliveSeconds));
            args.push('allowed-ips', peer.allowedIps.join(','));
            if (!peer.presharedKey) continue;
            const file = join(folder, `${name}.${i}.psk`);
            await writeFile(file, Buffer.from(peer.presharedKey.expose()).toString('base64'), { mode: 0o600 });
            args.push('preshared-key', file);
          }
          await wg('set', name, ...args);
        },
        async presharedKey(peer) {
          const lines = (await wg('show', name, 'preshared-keys')).split('\n').map((line) => line.split('\t'));
          const text = lines.find(([key]) => key === peer)?.[1];
          return text === undefined || text === '(none)' ? undefined : SecretKey.parse(text);
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) await end(child, 'SIGTERM');
      await run('ip', ['netns', 'del', namespace]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await exec('ip', 'link', 'set', 'lo', 'up');
  return lab;
}

/** wireguard-go in the foreground, once it says that its socket listens. */
function startDevice(namespace: string, name: string): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    // It dies with this process, also where that is killed.
    const argv = ['--pdeathsig', 'TERM', 'ip', 'netns', 'exec', namespace, 'wireguard-go', '-f', name];
    const child = spawn('setpriv', argv, {
      env: { ...process.env, LOG_LEVEL: 'verbose' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    const onData = (chunk: Buffer) => {
      said = (said + chunk).slice(-4096);
      if (said.includes('UAPI listener started')) resolve(child);
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`wireguard-go ended with ${code}: ${said.slice(-400)}`)));
  });
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}
