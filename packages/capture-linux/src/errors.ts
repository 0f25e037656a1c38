/** Errors of system calls with what a Linux administrator can do about them. */
import { createCaptureErrors } from '@stunmesh/core/capture-kit';

export const errors = createCaptureErrors({
  privilege:
    'root or the capability CAP_NET_RAW (and CAP_NET_ADMIN where a firewall mark is set and the kernel is older than 5.17)',
  firewall: 'an OUTPUT rule of nftables or iptables, or a prohibit route',
  letOut: "allow UDP and ICMP from WireGuard's port there",
});
