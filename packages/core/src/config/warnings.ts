/** What is allowed in a file and yet deserves a word. */
import { parseAddress, refusedAddress } from '../net/address.js';
import { formatPath, formatPosition, locate } from './explain.js';
import type { FoundFile } from './find.js';
import { DEFAULT_STUN_SERVER, type RawConfig } from './schema.js';
import { holdsSecret } from './secrets.js';
import type { Source } from './source.js';
import type { Config, LoadedConfig, Path } from './types.js';

export interface WarningInput {
  readonly raw: RawConfig;
  readonly config: Config;
  readonly found: FoundFile;
  readonly source: Source;
  readonly platform: NodeJS.Platform;
}

const CAPTURES_BY_INTERFACE: ReadonlySet<NodeJS.Platform> = new Set(['darwin', 'freebsd', 'openbsd', 'netbsd']);

/** So many are told; the rest is of the same kinds. */
const MOST_WARNINGS = 100;

export function collectWarnings({ raw, config, found, source, platform }: WarningInput): string[] {
  const { shownAs } = found;
  const warnings: string[] = [];
  const at = (path: Path, text: string): void => {
    if (warnings.length >= MOST_WARNINGS) return;
    warnings.push(`${formatPosition(shownAs, source, locate(source.root, path, true))}: ${formatPath(path)}: ${text}`);
  };
  for (const { offset, text } of source.warnings) warnings.push(`${formatPosition(shownAs, source, offset)}: ${text}`);
  if (found.worldReadable && holdsSecret(raw.plugins))
    warnings.push(`${shownAs}: everybody may read this file and it holds secrets; run: chmod 600 ${shownAs}`);
  if (raw.stun.address) at(['stun', 'address'], 'of older files; write it as the first of stun.addresses');
  if (!raw.stun.address && raw.stun.addresses === undefined)
    warnings.push(`${shownAs}: no stun.addresses; using ${DEFAULT_STUN_SERVER}`);
  for (const address of config.stun.addresses) if (isLoopback(address)) at(['stun'], `${address} is this host itself`);
  if (config.refreshIntervalMs < 1_000)
    at(['refresh_interval'], 'less than a second; stores and servers may refuse so many calls');
  if (config.interfaces.size === 0) warnings.push(`${shownAs}: no interfaces; there is nothing to do`);
  for (const [name, { dedup }] of Object.entries(raw.plugins))
    if (dedup) at(['plugins', name, 'dedup'], 'no effect: a record that did not change is not written again anyway');
  for (const [name, entry] of Object.entries(raw.interfaces)) {
    const path = ['interfaces', name];
    if (Object.keys(entry.peers).length === 0) at(path, 'no peers; there is nothing to do for it');
    if (entry.proxy.listen !== undefined) at([...path, 'proxy', 'listen'], "no effect: WireGuard's own port is used");
    if (entry.proxy.fib !== undefined && platform !== 'freebsd')
      at([...path, 'proxy', 'fib'], 'no effect on this system');
    if (CAPTURES_BY_INTERFACE.has(platform) || config.capture === 'bsd') continue;
    if ((entry.listen_interfaces ?? []).length > 0) at([...path, 'listen_interfaces'], 'no effect on this system');
    if (entry.listen_default_route) at([...path, 'listen_default_route'], 'no effect on this system');
  }
  return warnings;
}

function isLoopback(server: string): boolean {
  const address = parseAddress(server.slice(0, server.lastIndexOf(':')).replace(/^\[|\]$/g, ''));
  return address !== undefined && refusedAddress(address) === 'loopback';
}

/** What `config check` says beside the warnings: nothing is wrong, and it could be better. */
export function collectNotes({ config, explain }: Pick<LoadedConfig, 'config' | 'explain'>): string[] {
  return [...config.plugins.values()].flatMap(({ name, type, settings }) =>
    type === 'builtin' || settings['env_clear'] === true
      ? []
      : [
          `${explain(['plugins', name])}: the program gets the daemon's environment, but for NODE_*, LD_*, NOTIFY_SOCKET and what other stores keep secret there; "env_clear: true" gives it "env" alone`,
        ],
  );
}
