/** What the control socket tells of hard NATs: the search for a way through, and the diversion that keeps one open. */
import { formatEndpoint } from '../net/index.js';
import type { PeerEntry } from '../peers/peer-table.js';
import type { SearchStatus } from '../peers/search-view.js';

export interface SearchSnapshot {
  /** A way through a hard NAT is searched for, or why it is not; absent: no NAT is one, or it is not known. */
  readonly search?: SearchStatus;
  /** Its packets leave from this port instead of WireGuard's, by rules in the packet filter (`stunmesh cleanup`). */
  readonly diverted?: { readonly sourcePort: number; readonly endpoint: string };
}

export function searchSnapshot({ search, diversion, phase }: PeerEntry): SearchSnapshot {
  const status = phase === 'connected' ? undefined : search?.();
  return {
    ...(status ? { search: status } : {}),
    ...(diversion ? { diverted: { sourcePort: diversion.port, endpoint: formatEndpoint(diversion.remote) } } : {}),
  };
}
