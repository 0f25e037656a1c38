/** Whether this process may do what it is there for, found out before anything runs (F39). */
import { type CaptureModule, type Clock, hasCode } from '../api/index.js';

const CHECK_MS = 2_000;

/** Opens and closes a raw socket: what it needs is missed now rather than at the first discovery (F39). Errors: ERR_CAPTURE_PERMISSION. */
export async function checkPrivileges(capture: CaptureModule, clock: Clock): Promise<void> {
  using deadline = clock.deadline(CHECK_MS);
  try {
    const nothing = () => undefined;
    const options = {
      localPort: 1,
      excludeDevice: '',
      firewallMark: 0,
      signal: deadline.signal,
      onMessage: nothing,
      onFault: nothing,
    };
    const socket = await capture.openStunSocket({ family: 4, ...options });
    await socket[Symbol.asyncDispose]();
  } catch (error) {
    // Anything else may pass; a discovery that meets it says so.
    if (hasCode(error, 'ERR_CAPTURE_PERMISSION') || hasCode(error, 'ERR_CAPTURE_ADDON')) throw error;
  }
}
