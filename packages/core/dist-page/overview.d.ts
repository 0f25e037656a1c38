/** The first look: how many peers are in which phase, and which of them are to be shown. */
import type { StatusView } from '#src/page/status-view.js';
import type { Choice } from './device.js';
export interface Overview {
  update(view: StatusView): void;
  readonly choice: Choice;
}
/** `onChoose`: another choice was made. */
export declare function createOverview(section: HTMLElement, onChoose: () => void): Overview;
//# sourceMappingURL=overview.d.ts.map
