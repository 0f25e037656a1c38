/** A configuration that was read by another thread, handed over in parts: taking 10,000 peers in at once holds the event loop up. */
import { SLICE } from '../runtime/slices.js';
import type { ParsedConfig } from './load.js';
import type { PeerConfig } from './types.js';

export type LoadPart =
  /** All but the peers; so many of them follow. */
  | { readonly parsed: ParsedConfig; readonly peers: number }
  | { readonly device: string; readonly of: readonly PeerConfig[] };

/** The parts in order; `joinParts` makes the whole of them. */
export function* splitParsed({ config, ...rest }: ParsedConfig): Generator<LoadPart> {
  const devices = [...config.interfaces.values()];
  const interfaces = new Map(devices.map((device) => [device.name, { ...device, peers: new Map() }]));
  const peers = devices.reduce((sum, device) => sum + device.peers.size, 0);
  yield { parsed: { ...rest, config: { ...config, interfaces } }, peers };
  for (const { name, peers } of devices) {
    const all = [...peers.values()];
    for (let at = 0; at < all.length; at += SLICE) yield { device: name, of: all.slice(at, at + SLICE) };
  }
}

/** Takes one part after the other; gives the whole with the last one. */
export function joinParts(): (part: LoadPart) => ParsedConfig | undefined {
  let whole: ParsedConfig | undefined;
  let missing = 0;
  const peersOf = new Map<string, Map<string, PeerConfig>>();
  return (part) => {
    if ('parsed' in part) {
      const { config, ...rest } = part.parsed;
      const interfaces = new Map(
        [...config.interfaces].map(([name, device]) => {
          const peers = new Map<string, PeerConfig>();
          peersOf.set(name, peers);
          return [name, { ...device, peers }];
        }),
      );
      whole = { ...rest, config: { ...config, interfaces } };
      missing = part.peers;
    } else {
      for (const peer of part.of) peersOf.get(part.device)?.set(peer.name, peer);
      missing -= part.of.length;
    }
    return missing === 0 ? whole : undefined;
  };
}
