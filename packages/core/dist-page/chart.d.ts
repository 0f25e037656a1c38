import { type Part } from './track.js';
export interface Span {
  readonly endsAt: number;
  readonly partMs: number;
}
export declare function chart(parts: readonly Part[], span: Span, width: number): HTMLElement;
export declare function clockTime(at: number): string;
//# sourceMappingURL=chart.d.ts.map
