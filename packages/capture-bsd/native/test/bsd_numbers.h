/* Numbers and socket addresses of FreeBSD or macOS (AS_MACOS), to and from Linux's. What is not in a table is refused: a wrong number shows. */
#ifndef BSD_NUMBERS_H
#define BSD_NUMBERS_H

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#ifdef AS_MACOS
#define BSD_INET6 30
#define BSD_EOPNOTSUPP 102
#define BSD_EPROTO 100
#define BSD_RECVPKTINFO 61
#define BSD_CLOEXEC 0x1000000
#define BSD_SEND_FLAGS 0x80
#else
#define BSD_INET6 28
#define BSD_EOPNOTSUPP 45
#define BSD_EPROTO 92
#define BSD_RECVPKTINFO 36
#define BSD_CLOEXEC 0x100000
#define BSD_SEND_FLAGS (0x80 | 0x20000) /* MSG_DONTWAIT | MSG_NOSIGNAL */
#endif
#define BSD_ROUTE 17
#define BSD_LINK 18
#define BSD_SOL_SOCKET 0xffff

static const struct {
  int here, there;
} bsd_errors[] = {
    {EPERM, 1},        {ENOENT, 2},        {EINTR, 4},       {EIO, 5},           {ENXIO, 6},          {EBADF, 9},
    {ENOMEM, 12},      {EACCES, 13},       {EFAULT, 14},     {EBUSY, 16},        {ENODEV, 19},        {EINVAL, 22},
    {EMFILE, 24},      {ENOTTY, 25},       {EPIPE, 32},      {EAGAIN, 35},       {ENOTSOCK, 38},      {EDESTADDRREQ, 39},
    {EMSGSIZE, 40},    {EPROTOTYPE, 41},   {ENOPROTOOPT, 42}, {EPROTONOSUPPORT, 43}, {EOPNOTSUPP, BSD_EOPNOTSUPP}, {EAFNOSUPPORT, 47},
    {EADDRINUSE, 48},  {EADDRNOTAVAIL, 49}, {ENETDOWN, 50},  {ENETUNREACH, 51},  {ENOBUFS, 55},       {EISCONN, 56},
    {ENOTCONN, 57},    {ECONNREFUSED, 61}, {EHOSTUNREACH, 65}, {EPROTO, BSD_EPROTO},
};
#define BSD_ERRORS (sizeof bsd_errors / sizeof bsd_errors[0])

static _Thread_local int bsd_errno;

static int bsd_error(int here) {
  for (size_t i = 0; i < BSD_ERRORS; i += 1)
    if (bsd_errors[i].here == here) return bsd_errors[i].there;
  return 1000 + here;
}

/* The result of a call of Linux's, with its errno carried over. */
static long bsd_result(long result) {
  if (result < 0) bsd_errno = bsd_error(errno);
  return result;
}

static int bsd_refuse(int error) {
  errno = error;
  return (int)bsd_result(-1);
}

/* A sockaddr of the BSDs (length, family) as Linux's; its length, or 0: one that they refuse. */
static socklen_t bsd_address_in(const void *bytes, socklen_t length, struct sockaddr_storage *address) {
  const uint8_t *theirs = bytes;
  memset(address, 0, sizeof *address);
  if (length < 2 || length > sizeof *address || theirs[0] != length) return 0;
  memcpy(address, bytes, length);
  if (theirs[1] == 2 && length == sizeof(struct sockaddr_in)) address->ss_family = AF_INET;
  else if (theirs[1] == BSD_INET6 && length == sizeof(struct sockaddr_in6)) address->ss_family = AF_INET6;
  else return 0;
  return length;
}

/* The other way, within the `room` bytes at `to`; what was written. */
static socklen_t bsd_address_out(const void *address, void *to, socklen_t room) {
  sa_family_t family;
  uint8_t copy[sizeof(struct sockaddr_storage)];
  memcpy(&family, address, sizeof family);
  socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : family == AF_INET6 ? sizeof(struct sockaddr_in6) : 0;
  if (length == 0) return 0;
  memcpy(copy, address, length);
  copy[0] = (uint8_t)length;
  copy[1] = family == AF_INET ? 2 : BSD_INET6;
  memcpy(to, copy, length < room ? length : room);
  return length;
}

#endif
