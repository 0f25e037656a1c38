/** Debian's NSD, unpacked aside where it is not installed: installing it would enable a service. */
import { type Aside, findAside } from '../../../../test/tools/unpack-aside.mjs';

export type Nsd = Aside;

/** Errors: no apt, no network, another system. */
export function findNsd(): Promise<Nsd> {
  return findAside({ name: 'nsd', program: 'usr/sbin/nsd', packages: ['nsd'] });
}
