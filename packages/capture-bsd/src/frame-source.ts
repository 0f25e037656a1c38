/** What hands over the frames of one interface, whichever way it reads them. */
import type { StunMatch } from '@stunmesh/core/net';
import type { LinkType } from './frame.js';

/** Ends with its disposal, or by itself, which its listener hears of. */
export interface FrameSource extends AsyncDisposable {
  /** Hands over the frames of this match from now on; none of those that both let through is lost. Errors: as OpenFrameSource. */
  refilter(match: StunMatch): Promise<void>;
}

export interface FrameListener {
  frame(linkType: LinkType, frame: Uint8Array): void;
  /** The source has ended: its interface is gone or down, or its reader died. Called at most once, never after disposal. */
  lost(reason: Error): void;
}

/** Resolves once frames are heard; the signal ends the opening, not what was opened. Errors: ERR_CAPTURE_PERMISSION, ERR_CAPTURE_OPEN,
 * ERR_CAPTURE_ADDON, the signal's reason. */
export type OpenFrameSource = (
  interfaceName: string,
  match: StunMatch,
  listener: FrameListener,
  signal: AbortSignal,
) => Promise<FrameSource>;
