/** What a failed system call means to stunmesh, and what to do about it; the remedies are those of each system. */
import { isStunmeshError, StunmeshError } from '../api/index.js';
import { isSystemError } from './system-calls.js';

/** What a system's administrator can do. */
export interface Remedies {
  /** What opening a socket needs: "root or the capability CAP_NET_RAW". */
  readonly privilege: string;
  /** What stops packets there, and how to let them out. */
  readonly firewall: string;
  readonly letOut: string;
}

export interface CaptureErrors {
  /** The error for something that could not be opened; `what` names it ("the STUN socket of port 51820"). */
  openError(error: unknown, what: string): unknown;
  /** The error for a packet that could not be sent to `to`. */
  sendError(error: unknown, to: string): unknown;
}

const DENIED: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);
const UNREACHABLE: ReadonlySet<string> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'EINVAL',
  'ENODEV',
  'ENXIO',
  // WireGuard: no peer for the address, or no endpoint for the peer.
  'ENOKEY',
  'EDESTADDRREQ',
]);

export function createCaptureErrors({ privilege, firewall, letOut }: Remedies): CaptureErrors {
  return {
    openError(error, what) {
      if (!isSystemError(error)) return error;
      const options = { details: { code: error.code, syscall: error.syscall }, cause: error };
      if (DENIED.has(error.code))
        return new StunmeshError(
          'ERR_CAPTURE_PERMISSION',
          // Which port it is for has nothing to do with that.
          `${what.replace(/ of port \d+$/, '')} needs ${privilege}: ${error.message}`,
          options,
        );
      return new StunmeshError('ERR_CAPTURE_OPEN', `${what} cannot be opened: ${error.message}`, options);
    },
    sendError(error, to) {
      if (isStunmeshError(error)) return error;
      if (!isSystemError(error))
        return new StunmeshError('ERR_CAPTURE_SEND', `a packet to ${to} was not sent: ${String(error)}`, {
          cause: error,
        });
      const options = { details: { code: error.code, syscall: error.syscall, to }, cause: error };
      if (DENIED.has(error.code))
        return new StunmeshError(
          'ERR_CAPTURE_BLOCKED',
          `this host's firewall (${firewall}) stops packets to ${to}: ${letOut} (${error.message})`,
          options,
        );
      if (UNREACHABLE.has(error.code))
        return new StunmeshError('ERR_CAPTURE_UNREACHABLE', `there is no route to ${to}: ${error.message}`, options);
      return new StunmeshError('ERR_CAPTURE_SEND', `a packet to ${to} was not sent: ${error.message}`, options);
    },
  };
}

export function closedError(what: string): StunmeshError {
  return new StunmeshError('ERR_CLOSED', `${what} is closed`);
}

/** The error for a socket that is of no use any more. */
export function lostError(what: string, cause?: unknown): StunmeshError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new StunmeshError('ERR_CAPTURE_LOST', `${what} is lost${reason}`, cause === undefined ? {} : { cause });
}
