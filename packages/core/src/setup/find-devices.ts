/** Finds WireGuard devices for `init`: those that run, or those of wg-quick files. */
import { open } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { basename } from 'node:path';
import { type CallOptions, type Device, StunmeshError, type WireGuardControl } from '../api/index.js';
import { wordsOf } from '../wireguard/platform.js';
import type { FoundDevice } from './found-device.js';
import { parseWgQuick } from './wg-quick.js';

/** A wg-quick file is some kilobytes; /dev/zero is more. */
const MOST_BYTES = 1024 * 1024;

/** Files of other programs that set up WireGuard, by their name or by how they begin. */
const FOREIGN: readonly { readonly name: RegExp; readonly text: RegExp; readonly is: string }[] = [
  { name: /\.netdev$/, text: /^\s*\[NetDev\]/m, is: 'a file of systemd-networkd' },
  { name: /\.nmconnection$/, text: /^\s*\[connection\]/m, is: 'a file of NetworkManager' },
  { name: /\/config\/network$/, text: /^\s*config\s+interface\b/m, is: 'a file of UCI (OpenWrt)' },
];

/** All devices that run, or those named. Errors: ERR_WG_DEVICE_NOT_FOUND and the others of WireGuard control. */
export async function readRunningDevices(
  control: Pick<WireGuardControl, 'devices' | 'device'>,
  names: readonly string[],
  options: CallOptions,
): Promise<readonly FoundDevice[]> {
  const wanted = names.length > 0 ? names : await control.devices(options);
  return Promise.all(wanted.map(async (name) => withoutSecrets(await control.device(name, options))));
}

/** The error where none runs and no file was named. */
export function noDeviceUp(platform: NodeJS.Platform = process.platform): StunmeshError {
  const { bringUp, wgQuickFolder } = wordsOf(platform);
  return new StunmeshError(
    'ERR_WG_DEVICE_NOT_FOUND',
    `no WireGuard device is up; bring one up (${bringUp('wg0')}), or name its file by --from ${wgQuickFolder}/wg0.conf`,
  );
}

function withoutSecrets({ name, realName, publicKey, listenPort, peers }: Device): FoundDevice {
  const own = networkInterfaces()
    [realName]?.filter(({ scopeid = 0 }) => scopeid === 0)
    .map(({ address }) => address);
  return {
    name,
    publicKey,
    listenPort,
    ...(own === undefined || own.length === 0 ? {} : { addresses: own }),
    peers: [...peers.values()].map((peer) => ({
      publicKey: peer.publicKey,
      allowedIps: peer.allowedIps,
      keepaliveSeconds: peer.keepaliveSeconds,
    })),
  };
}

/** The device of a wg-quick file, named as wg-quick names it: by the file. Errors: ERR_CONFIG_READ, ERR_CONFIG_SYNTAX; neither quotes the file. */
export async function readWgQuickFile(path: string): Promise<FoundDevice> {
  refuseForeign(
    path,
    FOREIGN.find((kind) => kind.name.test(path)),
  );
  const name = basename(path).replace(/\.conf$/, '');
  if (!path.endsWith('.conf') || !/^[A-Za-z0-9_=+.-]{1,15}$/.test(name))
    throw new StunmeshError(
      'ERR_CONFIG_READ',
      `${path}: wg-quick names a device by its file, DEVICE.conf with at most 15 letters, digits and _ = + . -`,
    );
  const text = await readText(path);
  refuseForeign(
    path,
    FOREIGN.find((kind) => kind.text.test(text)),
  );
  return { name, ...parseWgQuick(text, path) };
}

function refuseForeign(path: string, foreign: { readonly is: string } | undefined): void {
  if (foreign === undefined) return;
  throw new StunmeshError(
    'ERR_CONFIG_READ',
    `${path}: this is ${foreign.is}, and --from reads those of wg-quick; leave --from out: the running device is read then, whoever set it up`,
  );
}

async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MOST_BYTES + 1), 0, MOST_BYTES + 1, 0);
    if (bytesRead <= MOST_BYTES) return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const hint = code === 'EACCES' ? '; run as root' : code === 'ENOENT' ? '; check the path' : '';
    throw new StunmeshError('ERR_CONFIG_READ', `${path}: cannot be read (${code})${hint}`);
  }
  throw new StunmeshError('ERR_CONFIG_READ', `${path}: longer than ${MOST_BYTES} bytes; is it a wg-quick file?`);
}
