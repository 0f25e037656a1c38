/** Debian's Redis, unpacked aside where it is not installed: installing it would enable a service. */
import { findAside } from '../../../../test/tools/unpack-aside.mjs';

export interface Redis {
  readonly server: string;
  /** LD_LIBRARY_PATH where it was unpacked aside. */
  readonly env: Readonly<Record<string, string>>;
}

/** Why there is no Redis to test with. */
export interface NoRedis {
  readonly missing: string;
}

const WANTED = { name: 'redis', program: 'usr/bin/redis-server', packages: ['redis-server', 'redis-tools'] };

/** The redis-server of PATH, else of the cache, else downloaded into the cache. */
export async function findRedis(): Promise<Redis | NoRedis> {
  try {
    const { program, env } = await findAside(WANTED);
    return { server: program, env };
  } catch (error) {
    return { missing: `no redis-server: ${(error as Error).message.split('\n')[0]}` };
  }
}
