/* The system calls that /dev/bpf needs, as a table, so that a test can put a scripted device under the code above it. */
#ifndef STUNMESH_BPF_SYSTEM_H
#define STUNMESH_BPF_SYSTEM_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#if defined(__FreeBSD__) || defined(__APPLE__)
#include <net/if.h>
#include <sys/time.h>
#include <sys/ioctl.h>
#include <net/bpf.h>
#define BPF_HERE 1
#else
#include "bpf_absent.h"
#define BPF_HERE 0
#endif

/* Where struct bpf_hdr has its members, and the multiple of bytes at which records begin. */
struct bpf_layout {
  size_t align;
  size_t captured; /* 32 bits */
  size_t original; /* 32 bits */
  size_t header;   /* 16 bits; the last member */
};

struct bpf_system {
  int (*open)(const char *path, int flags);
  int (*control)(int fd, unsigned long request, void *argument);
  ssize_t (*read)(int fd, void *buffer, size_t size);
  int (*poll)(struct pollfd *fds, nfds_t count, int timeout_ms);
  int (*close)(int fd);
  struct bpf_layout layout;
  /* How long poll(2) is trusted to say that a device can be read; -1: for ever. */
  int trust_ms;
};

static int bpf_open_file(const char *path, int flags) {
#if BPF_HERE
  return open(path, flags);
#else
  (void)path;
  (void)flags;
  errno = ENODEV;
  return -1;
#endif
}

static int bpf_control_file(int fd, unsigned long request, void *argument) {
#if BPF_HERE
  return ioctl(fd, request, argument);
#else
  (void)fd;
  (void)request;
  (void)argument;
  errno = ENODEV;
  return -1;
#endif
}

static const struct bpf_system bpf_real_system = {
    .open = bpf_open_file,
    .control = bpf_control_file,
    .read = read,
    .poll = poll,
    .close = close,
    .layout = {.align = BPF_ALIGNMENT,
               .captured = offsetof(struct bpf_hdr, bh_caplen),
               .original = offsetof(struct bpf_hdr, bh_datalen),
               .header = offsetof(struct bpf_hdr, bh_hdrlen)},
#ifdef __APPLE__
    /* Its manual says that poll(2) does not serve devices; its kernel has a case for bpf. Look now and then all the same. */
    .trust_ms = 100,
#else
    .trust_ms = -1,
#endif
};

#endif
