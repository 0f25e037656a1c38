/** Types of unpack-aside.mjs for tests. */
export interface Aside {
  readonly program: string;
  /** LD_LIBRARY_PATH where it was unpacked aside. */
  readonly env: Readonly<Record<string, string>>;
}

export interface WantedAside {
  /** The folder in the cache. */
  readonly name: string;
  /** Its path in the package, "usr/bin/redis-server". */
  readonly program: string;
  readonly packages: readonly string[];
}

/** Errors: no apt, no network, another system. */
export function findAside(wanted: WantedAside): Promise<Aside>;
