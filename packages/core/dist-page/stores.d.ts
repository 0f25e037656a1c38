/** The stores: whether they answer, and how much they were asked. */
import type { StoreView } from '#src/page/status-view.js';
export declare function drawStores(section: HTMLElement, stores: readonly StoreView[]): void;
//# sourceMappingURL=stores.d.ts.map
