/** The last 24 hours of a peer, as /status.json tells them and as they are drawn. */
import type { TrackSnapshot } from '#src/page/track.js';
export declare const PARTS = 144;
export interface Part {
  /** undefined: not known. */
  readonly phase: string | undefined;
  /** Seconds without a tunnel. */
  readonly lost: number;
  readonly rttMs: number | undefined;
}
export declare function decode({ phases, lost, rtt }: TrackSnapshot): readonly Part[];
/** One sentence for who does not see the picture. */
export declare function inWords(parts: readonly Part[]): string;
//# sourceMappingURL=track.d.ts.map
