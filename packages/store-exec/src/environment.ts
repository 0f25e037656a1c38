/** The environment of a plugin: ours, but for what would change how programs run or speak to the service manager, and for what
 * other stores keep secret (F34). */

/** Node's options, the dynamic linker's, and systemd's notification socket are the daemon's own affair. */
const WITHHELD = /^(?:NODE_|LD_|NOTIFY_SOCKET$)/;

export function childEnvironment(
  own: NodeJS.ProcessEnv,
  config: { readonly env?: Readonly<Record<string, string>>; readonly env_clear?: boolean },
  secret: readonly string[] = [],
): Record<string, string> {
  const inherited = config.env_clear
    ? []
    : Object.entries(own).filter(
        (entry): entry is [string, string] =>
          entry[1] !== undefined && !WITHHELD.test(entry[0]) && !secret.includes(entry[0]),
      );
  return { ...Object.fromEntries(inherited), ...config.env };
}
