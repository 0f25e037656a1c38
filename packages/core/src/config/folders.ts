/** Where a system keeps what lives until the next boot, and what survives it (hier(7), file-hierarchy(7)). */

export interface Folders {
  readonly run: string;
  readonly state: string;
}

/** FreeBSD has no /run, and the root of macOS cannot be written to. */
export function foldersOf(platform: NodeJS.Platform = process.platform): Folders {
  if (platform === 'linux') return { run: '/run/stunmesh', state: '/var/lib/stunmesh' };
  return { run: '/var/run/stunmesh', state: '/var/db/stunmesh' };
}
