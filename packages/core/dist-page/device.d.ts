/** A device: what is known of it, and the table of its peers. */
import type { DeviceView, PeerView } from '#src/page/status-view.js';
import { type RowContext } from './row.js';
export type Choice = (device: string, peer: PeerView) => boolean;
export interface DevicePart {
  readonly section: HTMLElement;
  update(device: DeviceView, choice: Choice): void;
}
export declare function createDevice(name: string, context: RowContext): DevicePart;
//# sourceMappingURL=device.d.ts.map
