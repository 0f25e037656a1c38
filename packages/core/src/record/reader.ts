/** Reads one sealed record of a peer: opened, parsed, and judged (F19, F20); the daemon and doctor read alike (F70). */
import type { Endpoint, PublicKey } from '../api/index.js';
import { type ParsedRecord, parseRecord } from './endpoint-record.js';
import { acceptRecord, type OwnPlace } from './policy.js';
import type { Channel } from './seal.js';

export interface ReadInput {
  readonly sealed: string;
  readonly channel: Channel;
  readonly peer: PublicKey;
  readonly place: OwnPlace;
  /** The endpoints that we publish now. */
  readonly published: readonly Endpoint[];
}

/** What was opened last by each channel: peers that stay away are read again and again, and their records stay the same. */
const opened = new WeakMap<Channel, { readonly sealed: string; readonly record: ParsedRecord }>();

/** Opened and parsed, whosever it is. Errors: ERR_RECORD_*. */
export function openRecord(sealed: string, channel: Channel): ParsedRecord {
  const known = opened.get(channel);
  if (known?.sealed === sealed) return known.record;
  const record = parseRecord(channel.open(sealed));
  opened.set(channel, { sealed, record });
  return record;
}

/** The record without what must not be used, each named in `problems`. Errors: ERR_RECORD_*. */
export async function readRecord({ sealed, channel, peer, place, published }: ReadInput): Promise<ParsedRecord> {
  return acceptRecord({ ...place, record: openRecord(sealed, channel), peer, published });
}

/** What is asked of a device's underlay. */
export interface PlaceUnderlay {
  ownAddresses(): Promise<readonly string[]>;
  routeTo(to: string): Promise<{ readonly interface: string } | undefined>;
}

/** Where this host stands, as its device's underlay tells. */
export async function ownPlace(own: OwnPlace['own'], underlay: PlaceUnderlay | undefined): Promise<OwnPlace> {
  return {
    own,
    ownAddresses: (await underlay?.ownAddresses()) ?? [],
    routeOf: async (to) => (await underlay?.routeTo(to))?.interface,
  };
}
