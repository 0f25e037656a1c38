/** Errors of system calls with what an administrator of a BSD can do about them. */
import { StunmeshError } from '@stunmesh/core/api';
import { createCaptureErrors, isSystemError } from '@stunmesh/core/capture-kit';

export const errors = createCaptureErrors({
  privilege: 'root (raw sockets, and /dev/bpf to read from)',
  firewall: 'a rule "block out" of pf, or ipfw',
  letOut: "let UDP and ICMP out from WireGuard's port",
});

/** The error for a bpf(4) device that could not be opened on an interface. FreeBSD always has one; a jail may not see it (devfs.rules(5)). */
export function bpfError(error: unknown, interfaceName: string, platform: NodeJS.Platform = process.platform): unknown {
  const what = `/dev/bpf on ${interfaceName}`;
  if (platform !== 'freebsd' || !isSystemError(error) || error.code !== 'ENOENT') return errors.openError(error, what);
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
