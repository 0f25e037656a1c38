import { type Part } from './track.js';
export declare function strip(parts: readonly Part[]): SVGElement;
/** A path for each phase, of a rectangle for each run. */
export declare function ribbons(parts: readonly Part[], y: number, height: number, step?: number): SVGElement[];
/** Of ten minutes without a tunnel all of `height`. */
export declare function lostBars(parts: readonly Part[], base: number, height: number, step?: number): string;
export declare function mostRtt(parts: readonly Part[]): number;
/** From zero to the most that there was; a gap where nothing was measured. */
export declare function rttLine(
  parts: readonly Part[],
  at: {
    width: number;
    from: number;
    to: number;
    most: number;
  },
): string;
//# sourceMappingURL=strip.d.ts.map
