/** One peer: its row, brought up to date in place, and what is shown below it when it is opened. */
import type { PeerDetail } from '#src/page/peer-detail.js';
import type { PeerView } from '#src/page/status-view.js';
import { type Span } from './chart.js';
export interface RowContext {
  /** What to do about a code. */
  remedy(code: string | undefined): string | undefined;
  span(): Span | undefined;
  now(): number;
  ask(device: string, peer: string): Promise<PeerDetail>;
}
export interface Row {
  readonly parts: readonly [HTMLTableRowElement, HTMLTableRowElement];
  peer: PeerView;
  update(peer: PeerView): void;
  show(visible: boolean): void;
}
export declare const COLUMNS: string[];
export declare function createRow(device: string, first: PeerView, context: RowContext): Row;
//# sourceMappingURL=row.d.ts.map
