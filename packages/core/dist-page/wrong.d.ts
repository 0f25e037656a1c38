/** What is wrong, and what to do about it; the same of many peers is said once. */
import type { StatusView, Wrong } from '#src/page/status-view.js';
export declare function wrongText({ text, code }: Omit<Wrong, 'of'>, remedy: string | undefined): HTMLElement;
export declare function drawWrong(section: HTMLElement, { wrong, devices, remedies }: StatusView): void;
//# sourceMappingURL=wrong.d.ts.map
