/*
 * FreeBSD's or macOS's (AS_MACOS) C library, as far as the addon calls it, on Linux. The addon is compiled against native/sysroot for that
 * system, with these functions renamed to bsd_*; so its numbers and structures, and the TypeScript above them, are that system's.
 */
#define _GNU_SOURCE
#include "emulated.h"
#include "bsd_interfaces.h"
#include "bsd_route.h"

#include <linux/filter.h>
#include <linux/icmpv6.h>
#include <signal.h>

int *__error(void) {
  return &bsd_errno;
}

char *bsd_strerror(int error) {
  for (size_t i = 0; i < BSD_ERRORS; i += 1)
    if (bsd_errors[i].there == error) return strerror(bsd_errors[i].here);
  return "unknown error";
}

int bsd_open(const char *path, int flags) {
  /* O_RDONLY | O_NONBLOCK | O_CLOEXEC */
  if (flags != (0x4 | BSD_CLOEXEC)) return bsd_refuse(EINVAL);
  return (int)bsd_result(emulated_open(path, 0));
}

#ifndef AS_MACOS
/* The groups of an interface: "all", and the kind, as if_clone names it. */
static int bsd_groups(void *argument) {
  struct {
    char name[16];
    uint32_t length;
    union {
      char group[16];
      char (*groups)[16];
    };
  } *request = argument;
  if (if_nametoindex(request->name) == 0) return bsd_refuse(ENXIO);
  if (request->length == 0) {
    request->length = 32;
    return 0;
  }
  if (request->length < 32) return bsd_refuse(EINVAL);
  strcpy(request->groups[0], "all");
  size_t kind = strcspn(request->name, "0123456789");
  memset(request->groups[1], 0, 16);
  memcpy(request->groups[1], request->name, kind);
  return 0;
}
#endif

int bsd_ioctl(int fd, unsigned long request, void *argument) {
#ifndef AS_MACOS
  if (request == 0xc0286988UL) return bsd_groups(argument);
#endif
  return (int)bsd_result(emulated_control(fd, request, argument));
}

ssize_t bsd_read(int fd, void *buffer, size_t size) {
  return bsd_result(emulated_read(fd, buffer, size));
}

ssize_t bsd_write(int fd, const void *bytes, size_t length) {
  return bsd_result(write(fd, bytes, length));
}

int bsd_clock_gettime(int clock, struct timespec *now) {
#ifdef AS_MACOS
  if (clock != 6) return bsd_refuse(EINVAL);
#else
  if (clock != 4) return bsd_refuse(EINVAL);
#endif
  return (int)bsd_result(clock_gettime(CLOCK_MONOTONIC, now));
}

int bsd_close(int fd) {
  return (int)bsd_result(close(fd));
}

int bsd_pipe(int ends[2]) {
  return (int)bsd_result(pipe(ends));
}

int bsd_poll(struct pollfd *fds, nfds_t count, int timeout) {
  return (int)bsd_result(emulated_poll(fds, count, timeout));
}

int bsd_fcntl(int fd, int command, int argument) {
  int flags = fcntl(fd, F_GETFL);
  if (command == 3) return (int)bsd_result(flags < 0 ? -1 : (flags & O_NONBLOCK) != 0 ? 4 : 0);
  if (command == 4) return (int)bsd_result(fcntl(fd, F_SETFL, (argument & 4) != 0 ? flags | O_NONBLOCK : flags));
  if (command == 2) return (int)bsd_result(fcntl(fd, F_SETFD, argument));
  return bsd_refuse(EINVAL);
}

int bsd_socket(int domain, int type, int protocol) {
#ifdef AS_MACOS
  int flags = 0, kind = type;
  if (type > 5) return bsd_refuse(EINVAL);
#else
  int flags = ((type & 0x10000000) != 0 ? SOCK_CLOEXEC : 0) | ((type & 0x20000000) != 0 ? SOCK_NONBLOCK : 0);
  int kind = type & 0xf;
#endif
  if (domain == BSD_ROUTE) return (int)bsd_result(kind == 3 ? route_open() : bsd_refuse(EPROTOTYPE));
  if (domain != 2 && domain != BSD_INET6) return bsd_refuse(EAFNOSUPPORT);
  int fd = socket(domain == 2 ? AF_INET : AF_INET6, kind | flags, protocol);
  if (fd >= 0 && kind == SOCK_RAW && protocol == IPPROTO_UDP) {
    /* The BSDs hand UDP to UDP sockets alone. */
    struct sock_filter drop = {.code = 6, .k = 0};
    struct sock_fprog program = {.len = 1, .filter = &drop};
    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
  }
  return (int)bsd_result(fd);
}

int bsd_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  int number = 0;
  if (length >= sizeof number) memcpy(&number, value, sizeof number);
  if (level == BSD_SOL_SOCKET && name == 0x1002) return (int)bsd_result(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, length));
#ifdef AS_MACOS
  /* IP_BOUND_IF, IPV6_BOUND_IF */
  if ((level == IPPROTO_IP && name == 25) || (level == IPPROTO_IPV6 && name == 125)) {
    char device[IF_NAMESIZE];
    if (!if_indextoname((unsigned int)number, device)) return bsd_refuse(ENXIO);
    return (int)bsd_result(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device) + 1));
  }
#else
  if (level == BSD_SOL_SOCKET && name == 0x1014) return number >= 0 && number < 16 ? 0 : bsd_refuse(EINVAL);
  if (level == BSD_SOL_SOCKET && name == 0x1015) return (int)bsd_result(setsockopt(fd, SOL_SOCKET, SO_MARK, value, length));
#endif
  if (level == IPPROTO_IP && name == 4) {
    if (number < 0 || number > 255) return bsd_refuse(EINVAL);
    return (int)bsd_result(setsockopt(fd, IPPROTO_IP, IP_TTL, value, length));
  }
  /* IP_DONTFRAG, IPV6_DONTFRAG */
  int discover = number ? IP_PMTUDISC_PROBE : IP_PMTUDISC_WANT;
  if (level == IPPROTO_IP && (name == 28 || name == 67))
    return (int)bsd_result(setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover));
  if (level == IPPROTO_IPV6 && name == 62)
    return (int)bsd_result(setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &discover, sizeof discover));
  if (level == IPPROTO_IPV6 && name == 4) return (int)bsd_result(setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value, length));
  if (level == IPPROTO_IPV6 && name == 26) return (int)bsd_result(setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, value, length));
  if (level == IPPROTO_IPV6 && name == BSD_RECVPKTINFO) return (int)bsd_result(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, value, length));
  if (level == IPPROTO_ICMPV6 && name == 18 && length == 32) {
    /* A set bit lets pass there and blocks here. */
    uint32_t blocked[8];
    memcpy(blocked, value, sizeof blocked);
    for (int i = 0; i < 8; i += 1) blocked[i] = ~blocked[i];
    return (int)bsd_result(setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, blocked, sizeof blocked));
  }
  return bsd_refuse(ENOPROTOOPT);
}

int bsd_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  if (level != BSD_SOL_SOCKET || name != 0x1007) return bsd_refuse(ENOPROTOOPT);
  int result = getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length);
  if (result == 0 && *(int *)value != 0) *(int *)value = bsd_error(*(int *)value);
  return (int)bsd_result(result);
}

int bsd_bind(int fd, const void *address, socklen_t length) {
  struct sockaddr_storage here;
  socklen_t size = bsd_address_in(address, length, &here);
  return size == 0 ? bsd_refuse(EINVAL) : (int)bsd_result(bind(fd, (struct sockaddr *)&here, size));
}

int bsd_connect(int fd, const void *address, socklen_t length) {
  struct sockaddr_storage here;
  socklen_t size = bsd_address_in(address, length, &here);
  return size == 0 ? bsd_refuse(EINVAL) : (int)bsd_result(connect(fd, (struct sockaddr *)&here, size));
}

int bsd_getsockname(int fd, void *address, socklen_t *length) {
  struct sockaddr_storage here;
  socklen_t size = sizeof here;
  if (getsockname(fd, (struct sockaddr *)&here, &size) < 0) return (int)bsd_result(-1);
  *length = bsd_address_out(&here, address, *length);
  return 0;
}

ssize_t bsd_sendto(int fd, const void *bytes, size_t length, int flags, const void *to, socklen_t to_length) {
  struct sockaddr_storage here;
  socklen_t size = 0;
  if (to && (size = bsd_address_in(to, to_length, &here)) == 0) return bsd_refuse(EINVAL);
  if (flags != BSD_SEND_FLAGS) return bsd_refuse(EOPNOTSUPP);
  return bsd_result(sendto(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, to ? (struct sockaddr *)&here : NULL, size));
}

struct bsd_msghdr {
  void *name;
  socklen_t name_length;
  struct iovec *vector;
  int vector_length;
  void *control;
  socklen_t control_length;
  int flags;
};

#ifdef AS_MACOS
/* There a raw IPv4 socket sees the length in the machine's byte order, and without the header's. */
static void bsd_spoil_header(int fd, uint8_t *packet, ssize_t length) {
  int type = 0, domain = 0;
  socklen_t size = sizeof type;
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  if (type != SOCK_RAW || domain != AF_INET || length < 20) return;
  uint16_t total = (uint16_t)((packet[2] << 8 | packet[3]) - (packet[0] & 0xf) * 4);
  memcpy(packet + 2, &total, sizeof total);
}
#endif

ssize_t bsd_recvmsg(int fd, struct bsd_msghdr *theirs, int flags) {
  struct sockaddr_storage from;
  struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = theirs->vector, .msg_iovlen = (size_t)theirs->vector_length};
  if (flags != 0x80) return bsd_refuse(EOPNOTSUPP);
  memset(&from, 0, sizeof from);
  ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
  if (length < 0) return bsd_result(-1);
  theirs->name_length = message.msg_namelen == 0 ? 0 : bsd_address_out(&from, theirs->name, theirs->name_length);
  theirs->control_length = 0;
#ifdef AS_MACOS
  bsd_spoil_header(fd, theirs->vector[0].iov_base, length);
#endif
  return length;
}

#ifdef AS_MACOS
/* A set of signals has 4 bytes, the attributes of a thread more than Linux's. */
typedef uint32_t bsd_sigset;
#else
/* A set of signals has 16 bytes, the attributes of a thread are a pointer. */
typedef struct {
  uint64_t low, high;
} bsd_sigset;

int bsd_pthread_attr_init(pthread_attr_t **attributes) {
  *attributes = malloc(sizeof **attributes);
  return *attributes ? pthread_attr_init(*attributes) : 12;
}

int bsd_pthread_attr_destroy(pthread_attr_t **attributes) {
  pthread_attr_destroy(*attributes);
  free(*attributes);
  return 0;
}

int bsd_pthread_attr_setstacksize(pthread_attr_t **attributes, size_t size) {
  return pthread_attr_setstacksize(*attributes, size);
}

int bsd_pthread_create(pthread_t *thread, pthread_attr_t **attributes, void *(*run)(void *), void *data) {
  return pthread_create(thread, *attributes, run, data);
}

#endif

int bsd_sigfillset(bsd_sigset *set) {
  memset(set, 0xff, sizeof *set);
  return 0;
}

int bsd_pthread_sigmask(int how, const bsd_sigset *set, bsd_sigset *before) {
  sigset_t here, old;
  size_t known = sizeof *set < 8 ? sizeof *set : 8;
  sigemptyset(&here);
  memcpy(&here, set, known);
  int error = how == 3 ? pthread_sigmask(SIG_SETMASK, &here, &old) : 22;
  if (before) memcpy(before, &old, known);
  return error;
}
