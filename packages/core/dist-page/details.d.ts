/** What is shown of a peer below its row: what is wrong and what to do, its ways, its record and ours. */
import type { PeerDetail } from '#src/page/peer-detail.js';
import type { PeerView } from '#src/page/status-view.js';
export declare function details(
  peer: PeerView,
  known: PeerDetail | undefined,
  remedy: string | undefined,
  now: number,
): Node[];
//# sourceMappingURL=details.d.ts.map
