/** What a failed system call means to stunmesh on the BSDs, and what to do about it. */
import { isStunmeshError, StunmeshError } from '@stunmesh/core/api';
import { isSystemError } from './native.js';

const DENIED: ReadonlySet<string> = new Set(['EPERM', 'EACCES']);

/** The error for something that could not be opened; `what` names it ("the STUN socket of port 51820"). */
export function openError(error: unknown, what: string): unknown {
  if (!isSystemError(error)) return error;
  const options = { details: { code: error.code, syscall: error.syscall }, cause: error };
  if (DENIED.has(error.code))
    return new StunmeshError(
      'ERR_CAPTURE_PERMISSION',
      // Which port it is for has nothing to do with that.
      `${what.replace(/ of port \d+$/, '')} needs root (raw sockets, and /dev/bpf to read from): ${error.message}`,
      options,
    );
  return new StunmeshError('ERR_CAPTURE_OPEN', `${what} cannot be opened: ${error.message}`, options);
}

/** The error for a bpf(4) device that could not be opened on an interface. FreeBSD always has one; a jail may not see it (devfs.rules(5)). */
export function bpfError(error: unknown, interfaceName: string, platform: NodeJS.Platform = process.platform): unknown {
  const what = `/dev/bpf on ${interfaceName}`;
  if (platform !== 'freebsd' || !isSystemError(error) || error.code !== 'ENOENT') return openError(error, what);
  return new StunmeshError(
    'ERR_CAPTURE_OPEN',
    `${what} cannot be opened: this jail's devfs hides bpf: add path 'bpf*' unhide to its ruleset (${error.message})`,
    { details: { code: error.code, syscall: error.syscall }, cause: error },
  );
}

/** The error for a socket that was to use a routing table which this kernel does not have. */
export function routingTableError(error: unknown, fib: number): unknown {
  if (!isSystemError(error) || error.code !== 'EINVAL') return error;
  return new StunmeshError(
    'ERR_CAPTURE_OPEN',
    `there is no routing table ${fib}, which proxy.fib names: this system has as many as \`sysctl net.fibs\` says, from 0 on; ` +
      'net.fibs in /boot/loader.conf gives it more',
    { details: { code: error.code, syscall: error.syscall, fib }, cause: error },
  );
}

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

/** The error for a packet that could not be sent to `to`. */
export function sendError(error: unknown, to: string): unknown {
  if (isStunmeshError(error)) return error;
  if (!isSystemError(error))
    return new StunmeshError('ERR_CAPTURE_SEND', `a packet to ${to} was not sent: ${String(error)}`, { cause: error });
  const options = { details: { code: error.code, syscall: error.syscall, to }, cause: error };
  if (DENIED.has(error.code))
    return new StunmeshError(
      'ERR_CAPTURE_BLOCKED',
      `this host's firewall (a rule "block out" of pf, or ipfw) stops packets to ${to}: ` +
        `let UDP and ICMP out from WireGuard's port (${error.message})`,
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

/** Said when an answer came back to another port than the one that its question left from; the text is the same each time. */
export function rewrittenError(localPort: number, seenPort: number, interfaceName: string): StunmeshError {
  return new StunmeshError(
    'ERR_CAPTURE_REWRITTEN',
    `pf on this host rewrites the port: what leaves ${interfaceName} from port ${localPort} gets another one on the way, which ` +
      `is the one that peers see. Keep the port by a rule before the others in pf.conf: "nat on ${interfaceName} inet proto udp from any ` +
      `port ${localPort} to any -> (${interfaceName}) static-port" (OPNsense, pfSense: an outbound NAT rule with "Static port")`,
    { details: { localPort, seenPort, interface: interfaceName } },
  );
}
