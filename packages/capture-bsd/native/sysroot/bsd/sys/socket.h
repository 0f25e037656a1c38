/* sys/socket.h */
#pragma once
#include <sys/types.h>
#include <sys/uio.h>
typedef uint32_t socklen_t;
typedef uint8_t sa_family_t;
struct sockaddr {
  uint8_t sa_len;
  sa_family_t sa_family;
  char sa_data[14];
};
struct sockaddr_storage {
  uint8_t ss_len;
  sa_family_t ss_family;
  char ss_pad1[6];
  int64_t ss_align;
  char ss_pad2[112];
};
struct msghdr {
  void *msg_name;
  socklen_t msg_namelen;
  struct iovec *msg_iov;
  int msg_iovlen;
  void *msg_control;
  socklen_t msg_controllen;
  int msg_flags;
};
struct cmsghdr {
  socklen_t cmsg_len;
  int cmsg_level, cmsg_type;
};
/* Ancillary data is aligned to 4 bytes on macOS, to a register on FreeBSD. */
#ifdef __APPLE__
#define CMSG_UNIT_ 4UL
#else
#define CMSG_UNIT_ 8UL
#endif
#define CMSG_ROUND_(n) (((size_t)(n) + CMSG_UNIT_ - 1) & ~(CMSG_UNIT_ - 1))
#define CMSG_DATA(c) ((unsigned char *)(c) + CMSG_ROUND_(sizeof(struct cmsghdr)))
#define CMSG_FIRSTHDR(m) \
  ((m)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(m)->msg_control : (struct cmsghdr *)0)
#define CMSG_NXTHDR(m, c) \
  ((char *)(c) + CMSG_ROUND_((c)->cmsg_len) + CMSG_ROUND_(sizeof(struct cmsghdr)) > (char *)(m)->msg_control + (m)->msg_controllen \
       ? (struct cmsghdr *)0 \
       : (struct cmsghdr *)(void *)((char *)(c) + CMSG_ROUND_((c)->cmsg_len)))
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOL_SOCKET 0xffff
#define SO_RCVBUF 0x1002
#define SO_ERROR 0x1007
#define AF_INET 2
#define AF_ROUTE 17
#define PF_ROUTE AF_ROUTE
#define AF_LINK 18
#define MSG_DONTWAIT 0x80
#ifdef __APPLE__
#define AF_INET6 30
#else
#define AF_INET6 28
#define SO_SETFIB 0x1014
#define SO_USER_COOKIE 0x1015
#define SOCK_CLOEXEC 0x10000000
#define SOCK_NONBLOCK 0x20000000
#define MSG_NOSIGNAL 0x20000
#endif
int socket(int, int, int);
int bind(int, const struct sockaddr *, socklen_t);
int connect(int, const struct sockaddr *, socklen_t);
int getsockname(int, struct sockaddr *restrict, socklen_t *restrict);
int getsockopt(int, int, int, void *restrict, socklen_t *restrict);
int setsockopt(int, int, int, const void *, socklen_t);
ssize_t recvmsg(int, struct msghdr *, int);
ssize_t sendto(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
