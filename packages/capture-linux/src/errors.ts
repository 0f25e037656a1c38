/** What a failed system call means to stunmesh, and what to do about it. */
import { isStunmeshError, StunmeshError } from '@stunmesh/core/api';
import { isSystemError } from './native.js';

/** The error for a socket that could not be opened; `what` names it ("the STUN socket of port 51820"). */
export function openError(error: unknown, what: string): unknown {
  if (!isSystemError(error)) return error;
  const details = { code: error.code, syscall: error.syscall };
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new StunmeshError(
      'ERR_CAPTURE_PERMISSION',
      // Which port it is for has nothing to do with that.
      `${what.replace(/ of port \d+$/, '')} needs root or the capability CAP_NET_RAW (and CAP_NET_ADMIN where a firewall mark is set and the kernel is older than 5.17): ${error.message}`,
      { details, cause: error },
    );
  return new StunmeshError('ERR_CAPTURE_OPEN', `${what} cannot be opened: ${error.message}`, { details, cause: error });
}

const UNREACHABLE = new Set([
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

/** The error for a packet that could not be sent to `to`. */
export function sendError(error: unknown, to: string): unknown {
  if (isStunmeshError(error)) return error;
  if (!isSystemError(error))
    return new StunmeshError('ERR_CAPTURE_SEND', `a packet to ${to} was not sent: ${String(error)}`, { cause: error });
  const options = { details: { code: error.code, syscall: error.syscall, to }, cause: error };
  if (error.code === 'EPERM' || error.code === 'EACCES')
    return new StunmeshError(
      'ERR_CAPTURE_BLOCKED',
      `this host's firewall (an OUTPUT rule of nftables or iptables, or a prohibit route) stops packets to ${to}: ` +
        `allow UDP and ICMP from WireGuard's port there (${error.message})`,
      options,
    );
  if (UNREACHABLE.has(error.code))
    return new StunmeshError('ERR_CAPTURE_UNREACHABLE', `there is no route to ${to}: ${error.message}`, options);
  return new StunmeshError('ERR_CAPTURE_SEND', `a packet to ${to} was not sent: ${error.message}`, options);
}

export function closedError(what: string): StunmeshError {
  return new StunmeshError('ERR_CLOSED', `${what} is closed`);
}

/** The error for a socket that is of no use any more. */
export function lostError(what: string, cause?: unknown): StunmeshError {
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  return new StunmeshError('ERR_CAPTURE_LOST', `${what} is lost${reason}`, cause === undefined ? {} : { cause });
}
