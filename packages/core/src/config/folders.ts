/** Where a system keeps configurations, what lives until the next boot, and what survives it (hier(7), file-hierarchy(7)). */

export interface Folders {
  /** Where a configuration is looked for, in this order. */
  readonly config: readonly string[];
  readonly run: string;
  readonly state: string;
}

/** FreeBSD has no /run, and the root of macOS cannot be written to. */
export function foldersOf(platform: NodeJS.Platform = process.platform): Folders {
  if (platform === 'linux') return { config: ['/etc/stunmesh'], run: '/run/stunmesh', state: '/var/lib/stunmesh' };
  return {
    config: ['/usr/local/etc/stunmesh', '/etc/stunmesh'],
    run: '/var/run/stunmesh',
    state: '/var/db/stunmesh',
  };
}

/** The configuration that a service of the system reads, and that `init` writes. */
export function configFile(platform: NodeJS.Platform = process.platform): string {
  return `${foldersOf(platform).config[0]}/config.yaml`;
}
