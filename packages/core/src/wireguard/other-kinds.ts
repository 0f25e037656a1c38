/** Why wg(8) does not know a device that is there: it is of another kind. */
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StunmeshError } from '../api/index.js';
import { amneziaDevice, otherDevice } from './errors.js';

export interface KindPlaces {
  /** Default: /sys/class/net (Linux). */
  readonly classDir?: string;
  /** Userspace sockets of AmneziaWG. Default: /var/run/amneziawg. */
  readonly amneziaDir?: string;
}

/** Undefined: nothing of that name is seen, or nothing more is known of it. */
export async function explainOtherKind(name: string, places: KindPlaces = {}): Promise<StunmeshError | undefined> {
  const { classDir = '/sys/class/net', amneziaDir = '/var/run/amneziawg' } = places;
  const kind = await readFile(join(classDir, name, 'uevent'), 'utf8').then(
    (text) => /^DEVTYPE=(.*)$/m.exec(text)?.[1] ?? '',
    () => undefined,
  );
  if (kind === 'amneziawg' || (await isThere(join(amneziaDir, `${name}.sock`)))) return amneziaDevice(name);
  // A userspace WireGuard is a TUN device, which has no kind; its process may just have ended.
  return kind === undefined || kind === '' || kind === 'wireguard' ? undefined : otherDevice(name);
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
