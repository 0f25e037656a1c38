/** Which device and peer are examined: names from the command line, refused where the configuration has no such thing. */
import { StunmeshError } from '../api/index.js';
import type { Config, InterfaceConfig } from '../config/index.js';
import { suggest } from '../config/suggest.js';
import { list } from '../runtime/terminal-text.js';

/** Names that are listed; the rest is a number. */
const MOST_NAMED = 8;

export interface Scope {
  readonly device?: string;
  /** A peer's name or public key. */
  readonly peer?: string;
}

/** The devices, each with the peers, that are examined. */
export function interfacesIn(config: Config | undefined, { device, peer }: Scope): readonly InterfaceConfig[] {
  const wanted = [...(config?.interfaces.values() ?? [])].filter(({ name }) => device === undefined || name === device);
  if (peer === undefined) return wanted;
  return wanted.map((entry) => ({
    ...entry,
    peers: new Map([...entry.peers].filter(([name, { publicKey }]) => name === peer || publicKey === peer)),
  }));
}

/** Errors: ERR_USAGE, with what is meant perhaps, and what there is. */
export function checkScope(config: Config, { device, peer }: Scope): void {
  if (device === undefined) return;
  const entry = config.interfaces.get(device);
  if (!entry) throw unknown(`the configuration has no interface "${device}"`, device, [...config.interfaces.keys()]);
  if (peer === undefined || interfacesIn(config, { device, peer }).some(({ peers }) => peers.size > 0)) return;
  throw unknown(`the interface "${device}" has no peer "${peer}"`, peer, [...entry.peers.keys()]);
}

function unknown(what: string, word: string, names: readonly string[]): StunmeshError {
  const near = suggest(word, names);
  const named = names.slice(0, MOST_NAMED);
  const rest = names.length - named.length;
  const has = names.length === 0 ? 'none' : list(rest === 0 ? named : [...named, `${rest} more`]);
  return new StunmeshError('ERR_USAGE', `${what}; ${near === undefined ? `it has ${has}` : `did you mean "${near}"?`}`);
}
