/** `netlink-cases.js`: the published cases of WireGuardControl on a kernel device of this network namespace, by netlink alone; one line each, exit status 1 where one failed. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import capture from '@stunmesh/capture-linux';
import { parsePublicKey, SecretKey } from '@stunmesh/core/api';
import { type WireGuardSubject, wireGuardCases } from '@stunmesh/core/conformance';
import { createMemoryLogger, createSystemClock } from '@stunmesh/core/testing';
import { REPOSITORY } from '../e2e/lab/index.js';

type WireGuard = typeof import('../../packages/core/dist/wireguard/index.js');

const { openWireGuardControl } = (await import(join(REPOSITORY, 'packages/core/dist/wireguard/index.js'))) as WireGuard;
const DEVICE = 'smtcases';
const MARK = 0xca6c;
const exec = promisify(execFile);
const run = async (...[file = '', ...args]: readonly string[]) => (await exec(file, args)).stdout.trim();
const text = (key: SecretKey) => Buffer.from(key.expose()).toString('base64');

const folder = await mkdtemp(join(tmpdir(), 'stunmesh-cases-'));
let files = 0;
const keyFile = async (key: string): Promise<string> => {
  files += 1;
  const file = join(folder, `${files}.key`);
  await writeFile(file, key, { mode: 0o600 });
  return file;
};

const subject = await openSubject();
let failed = 0;
for (const { name, run: check } of wireGuardCases({ setup: async () => subject })) {
  try {
    const outcome = await check();
    process.stdout.write(`# ${outcome ? `skipped (${outcome.skipped})` : 'passed'}: ${name}\n`);
  } catch (error) {
    failed += 1;
    process.stdout.write(`# FAILED: ${name}: ${String(error).replaceAll(/\s*\n\s*/g, ' | ')}\n`);
  }
}
await rm(folder, { recursive: true, force: true });
process.exit(failed === 0 ? 0 : 1);

/** A kernel device that wg(8) sets up; the control has no wg(8), and no userspace socket. */
async function openSubject(): Promise<WireGuardSubject> {
  const secret = await run('wg', 'genkey');
  await run('ip', 'link', 'set', 'lo', 'up');
  await run('ip', 'link', 'add', DEVICE, 'type', 'wireguard');
  await run('wg', 'set', DEVICE, 'private-key', await keyFile(secret), 'fwmark', String(MARK));
  await run('ip', 'link', 'set', DEVICE, 'up');
  await run('ip', 'address', 'add', '10.255.255.1/8', 'dev', DEVICE);
  const publicKey = parsePublicKey(await run('wg', 'show', DEVICE, 'public-key'));
  if (!publicKey) throw new Error('wg shows no public key');
  const control = openWireGuardControl({
    clock: createSystemClock(),
    logger: createMemoryLogger(),
    kernel: async () => capture.wireguard,
    uapiDir: join(folder, 'none'),
    wgCommand: join(folder, 'no-wg'),
  });
  return {
    control,
    device: DEVICE,
    facts: {
      publicKey,
      secretKey: SecretKey.parse(secret),
      listenPort: Number(await run('wg', 'show', DEVICE, 'listen-port')),
      firewallMark: MARK,
    },
    async addPeers(peers) {
      const args: string[] = [];
      for (const { publicKey: key, presharedKey, keepaliveSeconds, allowedIps } of peers) {
        args.push('peer', key, 'persistent-keepalive', String(keepaliveSeconds), 'allowed-ips', allowedIps.join(','));
        if (presharedKey) args.push('preshared-key', await keyFile(text(presharedKey)));
      }
      await run('wg', 'set', DEVICE, ...args);
    },
    async presharedKey(peer) {
      const lines = (await run('wg', 'show', DEVICE, 'preshared-keys')).split('\n').map((line) => line.split('\t'));
      const shown = lines.find(([key]) => key === peer)?.[1];
      return shown === undefined || shown === '(none)' ? undefined : SecretKey.parse(shown);
    },
    async kick(address) {
      await run('ping', '-c1', '-W0.01', address).catch(() => undefined);
    },
  };
}
