/** Servers for the laboratory from Debian packages that are unpacked aside: installing them would enable services. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Aside } from '../../tools/unpack-aside.mjs';

/** The tools run before anything is compiled, so they stay where they are. */
const TOOL = resolve(import.meta.dirname, '../../../tools/unpack-aside.mjs');

async function find(name: string, program: string, packages: readonly string[]): Promise<Aside> {
  const { findAside } = (await import(pathToFileURL(TOOL).href)) as typeof import('../../tools/unpack-aside.mjs');
  return await findAside({ name, program, packages });
}

/** Errors: no apt, no network, another system. */
export const findCoturn = (): Promise<Aside> => find('coturn', 'usr/bin/turnserver', ['coturn']);

/** Errors: as findCoturn. */
export const findRedis = (): Promise<Aside> => find('redis', 'usr/bin/redis-server', ['redis-server', 'redis-tools']);

/** The nftables one. Errors: as findCoturn. */
export const findMiniupnpd = (): Promise<Aside> =>
  find('miniupnpd', 'usr/sbin/miniupnpd', ['miniupnpd', 'miniupnpd-nftables']);
