/** Our own headers of FreeBSD and macOS: numbers and layouts against a list taken from other places than the headers were. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SYSROOT = fileURLToPath(new URL('../native/sysroot', import.meta.url));
const NATIVE = fileURLToPath(new URL('../native', import.meta.url));

/** golang.org/x/sys (zerrors_*_amd64, zerrors_*_arm64), the libc crate and the kernels' own trees, as values. */
const BOTH = {
  BIOCGBLEN: 0x40044266,
  BIOCSBLEN: 0xc0044266,
  BIOCSETF: 0x80104267,
  BIOCGDLT: 0x4004426a,
  BIOCSETIF: 0x8020426c,
  BIOCGSTATS: 0x4008426f,
  BIOCIMMEDIATE: 0x80044270,
  AF_INET: 2,
  AF_ROUTE: 0x11,
  AF_LINK: 0x12,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOL_SOCKET: 0xffff,
  SO_RCVBUF: 0x1002,
  SO_ERROR: 0x1007,
  MSG_DONTWAIT: 0x80,
  IPPROTO_ICMP: 1,
  IPPROTO_UDP: 0x11,
  IPPROTO_IPV6: 0x29,
  IPPROTO_ICMPV6: 0x3a,
  IP_TTL: 4,
  IPV6_UNICAST_HOPS: 4,
  IPV6_CHECKSUM: 0x1a,
  IPV6_DONTFRAG: 0x3e,
  ICMP6_FILTER: 0x12,
  IFF_UP: 1,
  IFF_LOOPBACK: 8,
  IFF_POINTOPOINT: 0x10,
  IFF_RUNNING: 0x40,
  O_NONBLOCK: 4,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  FD_CLOEXEC: 1,
  SIG_SETMASK: 3,
  POLLIN: 1,
  POLLERR: 8,
  POLLHUP: 0x10,
  POLLNVAL: 0x20,
  EPERM: 1,
  EINTR: 4,
  ENXIO: 6,
  EACCES: 0xd,
  EBUSY: 0x10,
  ENODEV: 0x13,
  EINVAL: 0x16,
  EAGAIN: 0x23,
  EWOULDBLOCK: 0x23,
  ENETDOWN: 0x32,
  ENETUNREACH: 0x33,
  ENOBUFS: 0x37,
  EHOSTUNREACH: 0x41,
  'sizeof(struct bpf_insn)': 8,
  'sizeof(struct bpf_program)': 16,
  'sizeof(struct bpf_stat)': 8,
  'sizeof(struct ifreq)': 32,
  'sizeof(struct sockaddr_in)': 16,
  'sizeof(struct sockaddr_in6)': 28,
  'sizeof(struct sockaddr_storage)': 128,
  'sizeof(struct msghdr)': 48,
  'sizeof(struct cmsghdr)': 12,
  'sizeof(struct ifaddrs)': 56,
  'sizeof(struct timeval)': 16,
  'sizeof(struct timespec)': 16,
  'offsetof(struct sockaddr_in6, sin6_scope_id)': 24,
  'offsetof(struct sockaddr_dl, sdl_type)': 4,
  'offsetof(struct msghdr, msg_control)': 32,
  'offsetof(struct ifaddrs, ifa_addr)': 24,
};

const SYSTEMS = {
  freebsd: {
    macros: ['-D__FreeBSD__=1'],
    values: {
      ...BOTH,
      BIOCSDIRECTION: 0x80044277,
      BIOCSETFNR: 0x80104282,
      CLOCK_MONOTONIC: 4,
      SIOCGIFGROUP: 0xc0286988,
      AF_INET6: 0x1c,
      SO_SETFIB: 0x1014,
      IP_DONTFRAG: 0x43,
      SO_USER_COOKIE: 0x1015,
      SOCK_CLOEXEC: 0x10000000,
      SOCK_NONBLOCK: 0x20000000,
      MSG_NOSIGNAL: 0x20000,
      O_CLOEXEC: 0x100000,
      IPV6_RECVPKTINFO: 0x24,
      IPV6_PKTINFO: 0x2e,
      EOPNOTSUPP: 0x2d,
      EPROTO: 0x5c,
      BPF_ALIGNMENT: 8,
      'offsetof(struct bpf_hdr, bh_caplen)': 16,
      'offsetof(struct bpf_hdr, bh_datalen)': 20,
      'offsetof(struct bpf_hdr, bh_hdrlen)': 24,
      'sizeof(struct ifgroupreq)': 40,
      'sizeof(struct sockaddr_dl)': 54,
      'sizeof(sigset_t)': 16,
      'sizeof(pthread_attr_t)': 8,
      'CMSG_ROUND_(sizeof(struct cmsghdr))': 16,
    },
  },
  macos: {
    macros: ['-D__APPLE__=1', '-D__APPLE_USE_RFC_3542=1'],
    values: {
      ...BOTH,
      BIOCSSEESENT: 0x80044277,
      BIOCSETFNR: 0x8010427e,
      CLOCK_MONOTONIC: 6,
      AF_INET6: 0x1e,
      O_CLOEXEC: 0x1000000,
      IP_BOUND_IF: 0x19,
      IP_DONTFRAG: 0x1c,
      IPV6_BOUND_IF: 0x7d,
      IP_PKTINFO: 0x1a,
      IPV6_RECVPKTINFO: 0x3d,
      IPV6_PKTINFO: 0x2e,
      EOPNOTSUPP: 0x66,
      EPROTO: 0x64,
      BPF_ALIGNMENT: 4,
      'offsetof(struct bpf_hdr, bh_caplen)': 8,
      'offsetof(struct bpf_hdr, bh_datalen)': 12,
      'offsetof(struct bpf_hdr, bh_hdrlen)': 16,
      'sizeof(struct in_pktinfo)': 12,
      'sizeof(struct sockaddr_dl)': 20,
      'sizeof(sigset_t)': 4,
      'sizeof(pthread_attr_t)': 64,
      'CMSG_ROUND_(sizeof(struct cmsghdr))': 12,
    },
  },
} as const;

const HEADERS = [
  'errno.h',
  'fcntl.h',
  'ifaddrs.h',
  'net/bpf.h',
  'net/if.h',
  'net/if_dl.h',
  'netinet/icmp6.h',
  'netinet/in.h',
  'poll.h',
  'pthread.h',
  'signal.h',
  'stddef.h',
  'sys/ioctl.h',
  'sys/socket.h',
  'sys/time.h',
  'time.h',
];

const compiler = spawnSync('cc', ['-print-file-name=include'], { encoding: 'utf8' });
/** Pointers and long have 64 bits on all the systems that the headers are for. */
const wide = spawnSync('cc', ['-dM', '-E', '-x', 'c', '-'], { input: '', encoding: 'utf8' }).stdout?.includes(
  '__LP64__',
);
const skip = compiler.status !== 0 ? 'needs a C compiler' : wide ? false : 'needs a 64-bit machine';

function check(includes: readonly string[], macros: readonly string[], text: string) {
  // The compiler is Linux's: it must not say so, and only its own headers (stddef.h, stdbool.h, stdatomic.h) may be found.
  const undefine = ['__linux__', '__linux', 'linux', '__gnu_linux__', '__unix__'].map((name) => `-U${name}`);
  const where = [compiler.stdout.trim(), ...includes].flatMap((folder) => ['-isystem', folder]);
  return spawnSync(
    'cc',
    ['-std=gnu11', '-fsyntax-only', '-nostdinc', ...undefine, ...macros, ...where, '-x', 'c', '-'],
    {
      input: text,
      encoding: 'utf8',
    },
  );
}

for (const [system, { macros, values }] of Object.entries(SYSTEMS)) {
  const includes = [`${SYSROOT}/${system}`, `${SYSROOT}/bsd`];

  test(`numbers and layouts of ${system} in our headers are those of other sources`, { skip }, () => {
    const more = system === 'freebsd' ? ['sys/sockio.h'] : [];
    const assertions = Object.entries(values).map(
      ([text, value]) => `_Static_assert((unsigned long)(${text}) == ${value}UL, "${text} is not ${value}");`,
    );
    const head = [...HEADERS, ...more].map((name) => `#include <${name}>`);
    const { status, stderr } = check(includes, macros, [...head, ...assertions, ''].join('\n'));
    assert.equal(status, 0, stderr);
    const broken = check(includes, macros, `${head.join('\n')}\n_Static_assert(ENXIO == 7, "seen");\n`);
    assert.match(broken.stderr, /seen/);
  });

  test(`every header of ${system} can be included alone`, { skip }, () => {
    for (const name of HEADERS) {
      const { status, stderr } = check(includes, macros, `#include <${name}>\n`);
      assert.equal(status, 0, stderr);
    }
  });
}

test('what stands in for bpf(4) on Linux is that of FreeBSD', { skip }, () => {
  const { values } = SYSTEMS.freebsd;
  const names = Object.keys(values).filter((name) => /BIOC|BPF_|struct bpf_/.test(name)) as (keyof typeof values)[];
  assert.ok(names.length >= 14);
  const text = names.map((name) => `_Static_assert((unsigned long)(${name}) == ${values[name]}UL, "${name}");`);
  const head = '#include <stddef.h>\n#include "bpf_absent.h"\n';
  const line = ['-std=gnu11', '-fsyntax-only', '-I', NATIVE, '-x', 'c', '-'];
  const { status, stderr } = spawnSync('cc', line, { input: `${head}${text.join('\n')}\n`, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
